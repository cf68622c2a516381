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

/** What keeps an image away, by the words of engine and registry; the first that fits. */
const obstacles: readonly {
  readonly words: RegExp;
  readonly reason: string;
  readonly advice?: string;
}[] = [
  {
    words: /no space left on device/i,
    reason: "and the engine's disk is full",
    advice: "docker system df shows what takes the room, docker image prune makes some.",
  },
  {
    words: /toomanyrequests|rate limit/i,
    reason: "and its registry gives no more for now",
    advice: "Registries give more to who is known: docker login.",
  },
  {
    words: /no matching manifest|does not match the specified platform/i,
    reason: "and it is not made for this machine's processor",
  },
  {
    words:
      /no such host|lookup .* (?:on|:)|dial tcp|i\/o timeout|deadline exceeded|connection refused|network is unreachable|proxyconnect|TLS handshake|Client\.Timeout/i,
    reason: "and its registry cannot be reached",
    advice: "The engine pulls through its own proxy settings.",
  },
  {
    words: /denied|unauthorized|not exist|not found|manifest unknown/i,
    reason: "and its registry does not give it",
  },
];
const unknownObstacle: (typeof obstacles)[number] = {
  words: /(?:)/,
  reason: "and it could not be pulled",
};

/** Why an image is not there, by what was said when it was asked for. */
export function imageMissing(id: string, image: string, error: unknown): LabError {
  const said = error instanceof LabError ? error.message : String(error);
  const variable = imageVariable(id);
  const { reason, advice } = obstacles.find(({ words }) => words.test(said)) ?? unknownObstacle;
  const load = `On a machine with network: docker pull ${image} && docker save ${image} -o image.tar; here: docker load -i image.tar. Or name another image: ${variable}=…`;
  return new LabError(
    "image-missing",
    `The image ${image} of ${id} is not on this machine, ${reason}.`,
    {
      hint: advice === undefined ? load : `${advice} ${load}`,
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
