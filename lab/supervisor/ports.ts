import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { LabError } from "#lab/errors.ts";
import { describeOwner, portOwner } from "./port-owner.ts";

/** Below the range outgoing connections are taken from (32768 on Linux), above the ports browsers refuse. */
export const firstPort = 20_000;
export const lastPort = 31_999;

/** Ports this process has given out, so that two services starting at once do not get the same one. */
const given = new Set<number>();

/** `preferred` if it is free, else some free port from 20000 to 31999. */
export async function pickPort(options: { readonly preferred?: number } = {}): Promise<number> {
  const { preferred } = options;
  if (preferred !== undefined && (await reserve(preferred))) return preferred;
  for (let tries = 0; tries < 200; tries++) {
    const port = randomInt(firstPort, lastPort + 1);
    if (await reserve(port)) return port;
  }
  throw new LabError("no-free-port", `No free port found from ${firstPort} to ${lastPort}.`, {
    hint: "Close programs that listen on many ports, then try again.",
  });
}

/** Lets a port be picked again. */
export function returnPort(port: number): void {
  given.delete(port);
}

/** @throws LabError `port-busy`, naming the owner and both ways out. */
export async function demandPort(
  port: number,
  ask: { readonly title: string; readonly variable: string },
): Promise<void> {
  if (await reserve(port)) return;
  throw await portBusy(port, ask);
}

/** The error for a port that was asked for by name and is taken. */
export async function portBusy(
  port: number,
  ask: { readonly title: string; readonly variable: string },
): Promise<LabError> {
  const owner = given.has(port) ? "another service of this lab" : await portOwner(port);
  const kill =
    typeof owner === "object" ? `end that program (kill ${owner.pid})` : "end that program";
  return new LabError(
    "port-busy",
    `Port ${port} for ${ask.title} is taken by ${describeOwner(owner)}.`,
    { hint: `Choose another port, ${ask.variable}=<port>, or ${kill}.` },
  );
}

async function reserve(port: number): Promise<boolean> {
  if (given.has(port)) return false;
  given.add(port);
  if (await isFree(port)) return true;
  given.delete(port);
  return false;
}

/** Whether nothing listens there, on loopback or on all addresses. */
export async function isFree(port: number): Promise<boolean> {
  // macOS lets a loopback listener sit on top of a wildcard one, so both are tried.
  return (await canListen(port, "127.0.0.1")) && (await canListen(port, "0.0.0.0"));
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Reads a port number from a setting. @throws LabError `bad-port`. */
export function parsePort(text: string, variable: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new LabError("bad-port", `${variable} is "${text}", which is no port.`, {
    hint: `Set ${variable} to a number from 1 to 65535, or leave it out.`,
  });
}
