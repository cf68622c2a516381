import { type IncomingMessage, request } from "node:http";
import { LabError } from "#lab/errors.ts";
import type { EngineAddress } from "./engine-address.ts";

/** The container engine's own API (https://docs.docker.com/reference/api/engine/), over its socket. */
export interface Engine {
  readonly address: EngineAddress;
  /** JSON of an answer below 300; undefined for 304, 404 and 409. @throws LabError `engine-*`. */
  readonly ask: <T>(
    method: "GET" | "POST",
    path: string,
    signal?: AbortSignal,
  ) => Promise<T | undefined>;
  /** An answer that goes on. @throws LabError `engine-*`. */
  readonly stream: (path: string, signal: AbortSignal) => Promise<IncomingMessage>;
}

/** Longest an engine may take to say that it is there, in milliseconds. */
const pingMs = 3_000;

/**
 * @param within how long it may take to say that it is there; three seconds unless told.
 * @throws LabError `engine-absent`, `engine-permission`, `engine-silent`.
 */
export async function openEngine(
  address: EngineAddress,
  within: AbortSignal = AbortSignal.timeout(pingMs),
): Promise<Engine> {
  const engine: Engine = {
    address,
    ask: async <T>(method: "GET" | "POST", path: string, signal?: AbortSignal) => {
      const answer = await send(address, method, path, signal);
      const text = await textOf(answer);
      const status = answer.statusCode ?? 0;
      if (status === 304 || status === 404 || status === 409) return undefined;
      if (status >= 300) throw refusal(text, status);
      return (text.trim() === "" ? {} : parsed(text)) as T;
    },
    stream: async (path, signal) => {
      const answer = await send(address, "GET", path, signal);
      if ((answer.statusCode ?? 0) >= 300)
        throw refusal(await textOf(answer), answer.statusCode ?? 0);
      return answer;
    },
  };
  try {
    await engine.ask("GET", "/_ping", within);
  } catch (error) {
    if (!within.aborted) throw error;
    throw new LabError("engine-silent", `The container engine at ${address.url} does not answer.`, {
      hint: "Look at it with: docker info. Restarting it often helps.",
      cause: error,
    });
  }
  return engine;
}

const parsed = (text: string): unknown => (/^\s*[[{]/.test(text) ? JSON.parse(text) : text);

function send(
  address: EngineAddress,
  method: "GET" | "POST",
  path: string,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const where =
    address.kind === "socket"
      ? { socketPath: address.path }
      : { host: address.host, port: address.port };
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...where,
        method,
        path,
        agent: false,
        headers: { host: "docker" },
        ...(signal && { signal }),
      },
      resolve,
    );
    asked.on("error", (error) => reject(unreachable(error, address)));
    asked.end();
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = "";
  answer.setEncoding("utf8");
  for await (const piece of answer) text += piece;
  return text;
}

/** The engine's own words for what it did not do. */
function refusal(text: string, status: number): LabError {
  const said =
    /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]?.replaceAll('\\"', '"') ?? text.trim();
  return new LabError("engine-refused", `The container engine answered ${status}: ${said}`, {
    hint: "docker info shows how the engine is.",
  });
}

function unreachable(error: NodeJS.ErrnoException, { url }: EngineAddress): Error {
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return new LabError("engine-absent", `No container engine answers at ${url}.`, {
        hint:
          process.platform === "darwin"
            ? "Start Docker Desktop (or colima start), or leave the containers out: --runtime embedded"
            : "Start it: sudo systemctl start docker. Not installed: https://docs.docker.com/engine/install/. Or leave the containers out: --runtime embedded",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
      return new LabError(
        "engine-permission",
        `This user may not use the container engine at ${url}.`,
        {
          hint: "Add yourself to its group and log in anew: sudo usermod -aG docker $USER. Who is in that group can do what root can. Or leave the containers out: --runtime embedded",
          cause: error,
        },
      );
    default:
      return error;
  }
}
