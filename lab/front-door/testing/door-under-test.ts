/** A front door with doubles behind it, and plain ways to talk to it, for tests. */
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Catalogue } from "#scenarios/catalogue.ts";
import { defineScenario, type Scenario } from "#scenarios/define.ts";
import { integer } from "#scenarios/param-spec.ts";
import { type FrontDoor, type FrontDoorOptions, openFrontDoor } from "../front-door.ts";
import { type AppHandler, openSystemDouble, type SystemDouble } from "./system-double.ts";

export interface DoorUnderTest extends AsyncDisposable {
  readonly door: FrontDoor;
  readonly double: SystemDouble;
  /** The lab's state folder. */
  readonly dir: string;
  readonly notices: readonly string[];
  readonly ask: (path: string, request?: Ask) => Promise<Answer>;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  readonly address?: "127.0.0.1" | "::1";
}
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer of any shape, looked at by assertions.
  readonly json: any;
}

/** Headers of a write by a program. */
export const writing = { "content-type": "application/json", "x-lab-csrf": "1" } as const;
export const secrets = {
  doorSecret: "door-secret-value",
  ticketKey: "ticket-key-value",
  userPassword: "user-password-value",
};

const answering: AppHandler = (_request, response) => response.end("the app");

export async function openDoorUnderTest(
  options: Partial<FrontDoorOptions> & {
    readonly app?: AppHandler;
    readonly attach?: boolean;
    readonly scenarios?: readonly Scenario[];
  } = {},
): Promise<DoorUnderTest> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "lab-door-")));
  const double = await openSystemDouble(options.app ?? answering);
  const notices: string[] = [];
  const door = await openFrontDoor({
    ...{ port: 0, dir, secrets, env: {}, build: buildSmallPage },
    catalogue: catalogueOf(options.scenarios ?? [scenario()]),
    onNotice: (text) => notices.push(text),
    ...options,
  });
  if (options.attach !== false) door.attach(double.system);
  if (options.build === undefined) await door.page;
  return {
    ...{ door, double, dir, notices },
    ask: (path, request) => ask(door.port, path, request),
    [Symbol.asyncDispose]: async () => {
      await door.close();
      await double.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export const catalogueOf = (scenarios: readonly Scenario[]): Catalogue =>
  new Map(scenarios.map((one) => [one.id, one]));

export const scenario = (part: Partial<Scenario> = {}): Scenario => ({
  ...(defineScenario({
    id: "db.test",
    title: "Test",
    summary: "A scenario for tests.",
    story: "Nothing breaks.",
    params: { n: integer({ label: "n", default: 5, min: 1, max: 10 }) },
    modes: ["fault", "control"],
    serve: async () => undefined,
    expect: [
      { signal: "span", select: { name: "SELECT orders" }, why: "It is the fault.", hint: "Look." },
      { signal: "log", why: "It is told.", hint: "Look.", modes: ["control"] },
    ],
  }) as unknown as Scenario),
  ...part,
});

async function buildSmallPage({ dir }: { readonly dir: string }) {
  const page = join(dir, "small-page");
  await mkdir(join(page, "assets"), { recursive: true });
  await writeFile(join(page, "index.html"), `<!doctype html><title>Lab</title>${" ".repeat(2000)}`);
  await writeFile(join(page, "assets", "app-Ab3_de5f.js"), `export {};\n${"// lab\n".repeat(500)}`);
  await writeFile(join(page, ".env"), "SECRET=1");
  return { dir: page, hash: "0", cached: false };
}

export async function ask(port: number, path: string, request: Ask = {}): Promise<Answer> {
  const outgoing = httpRequest({
    ...{ host: request.address ?? "127.0.0.1", port, path, agent: false },
    method: request.method ?? "GET",
    headers: { host: `localhost:${port}`, ...request.headers },
  });
  // An answer may come, and the connection end, before a long body has been sent.
  outgoing.on("error", () => undefined);
  outgoing.end(request.body);
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString();
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    bytes,
    text,
    get json() {
      return JSON.parse(text);
    },
  };
}

/** Sends bytes as they are and reads until the door closes the connection. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  socket.write(text, "latin1");
  let seen = "";
  socket.setEncoding("latin1").on("data", (part: string) => {
    seen += part;
  });
  await once(socket, "close");
  return seen;
}
