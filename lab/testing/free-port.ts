import { randomInt } from "node:crypto";
import { isFree } from "#lab/supervisor/ports.ts";

/** Where neither outgoing connections nor the services of a lab get theirs from, so that only who asks here has it. */
const [firstPort, lastPort] = [12_000, 19_999];

/**
 * A port of 127.0.0.1 that nobody listens on. It stays free until it is used, and between two uses:
 * one that the system chose may meanwhile be given to any connection of the machine.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(firstPort, lastPort + 1);
    if (await isFree(port)) return port;
  }
}
