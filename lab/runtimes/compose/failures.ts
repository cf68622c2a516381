import { LabError } from "#lab/errors.ts";

/** What the docker-compose package rejects with: a plain object, or an Error when there was nothing to run. */
interface Rejection {
  readonly exitCode?: number | null;
  readonly out?: string;
  readonly err?: string;
  readonly message?: string;
}

/** A failure of Compose in words that help. */
export function composeFailure(what: string, error: unknown): LabError {
  const { err, out, message } = error as Rejection;
  const said = wordsOf(`${err ?? ""}\n${out ?? ""}`) || message || String(error);
  if (/permission denied.*docker|docker.*permission denied/i.test(said)) {
    return new LabError("engine-permission", "This user may not use the container engine.", {
      hint: "Add yourself to its group and log in anew: sudo usermod -aG docker $USER",
      cause: error,
    });
  }
  if (/Cannot connect to the Docker daemon/i.test(said)) {
    return new LabError("engine-absent", "No container engine answers.", {
      hint: "Start it: sudo systemctl start docker, or Docker Desktop.",
      cause: error,
    });
  }
  return new LabError("compose-failed", `Docker Compose failed ${what}: ${said}`, {
    hint: "docker info shows how the engine is; npm run lab -- doctor what the lab finds.",
    cause: error,
  });
}

/** Why an image is not there, by what was said when it was asked for. */
export function imageMissing(id: string, image: string, error: unknown): LabError {
  const said = error instanceof LabError ? error.message : String(error);
  const variable = imageVariable(id);
  const network =
    /no such host|lookup .* (?:on|:)|dial tcp|i\/o timeout|deadline exceeded|connection refused|network is unreachable|proxyconnect|TLS handshake|Client\.Timeout/i;
  const reason = network.test(said)
    ? "and its registry cannot be reached"
    : /denied|unauthorized|not exist|not found|manifest unknown/i.test(said)
      ? "and its registry does not give it"
      : "and it could not be pulled";
  const load = `On a machine with network: docker pull ${image} && docker save ${image} -o image.tar; here: docker load -i image.tar. Or name another image: ${variable}=…`;
  return new LabError(
    "image-missing",
    `The image ${image} of ${id} is not on this machine, ${reason}.`,
    {
      hint: network.test(said) ? `The engine pulls through its own proxy settings. ${load}` : load,
      cause: error,
    },
  );
}

/** The variable that names another image for a service: `MINIO_IMAGE`. */
export const imageVariable = (id: string): string =>
  `${id.toUpperCase().replaceAll("-", "_")}_IMAGE`;

/** Last lines, without progress and colours. */
function wordsOf(text: string): string {
  const lines = text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals' colours begin with one.
    .replace(/\x1b\[[0-9;]*[A-Za-z]/g, "")
    .split("\n")
    .map(messageOf)
    .filter(
      (line) =>
        line !== "" &&
        !/(Pulling|Waiting|Creating|Created|Starting|Started|Recreate\w*)\s*$/.test(line),
    );
  return [...new Set(lines)].slice(-4).join(" ");
}

/** `--progress json` wraps what is said into objects. */
function messageOf(line: string): string {
  if (!line.startsWith("{")) return line.trim();
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null) return "";
    if ("error" in said && said.error === true && "message" in said) return String(said.message);
    if ("message" in said && typeof said.message === "string") return said.message;
    return "";
  } catch {
    return line.trim();
  }
}
