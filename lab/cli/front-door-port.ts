import { LabError } from "#lab/errors.ts";
import { describeOwner, portOwner } from "#lab/supervisor/port-owner.ts";
import { parsePort, portBusy } from "#lab/supervisor/ports.ts";
import type { Board } from "./board.ts";
import type { Context } from "./context.ts";

/** Of the page. */
export const defaultPort = 4700;

/**
 * Opens the front door on `LAB_PORT`, where a busy port is an error, or on 4700, where a busy port
 * means any other. `LAB_PORT=0` asks for any free port.
 * @throws LabError `port-busy` naming the owner, `bad-port`.
 */
export async function openOnPort<Door extends { readonly origin: string }>(
  { env }: Context,
  board: Board,
  open: (port: number) => Promise<Door>,
): Promise<Door> {
  const asked = portAsked(env.LAB_PORT);
  const port = asked ?? defaultPort;
  try {
    return await open(port);
  } catch (error) {
    if (!(error instanceof LabError && error.code === "port-busy")) throw error;
    if (asked !== undefined) {
      throw await portBusy(port, { title: "the page", variable: "LAB_PORT" });
    }
    const owner = describeOwner(await portOwner(port));
    const door = await open(0);
    board.note(`Port ${port} is taken by ${owner}; the page is at ${door.origin} instead.`);
    return door;
  }
}

/** `LAB_PORT` as a number; undefined when it is not set. @throws LabError `bad-port`. */
export function portAsked(text: string | undefined): number | undefined {
  if (!text) return undefined;
  return text === "0" ? 0 : parsePort(text, "LAB_PORT");
}
