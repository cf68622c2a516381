import type { Socket } from "node:net";
import { http } from "#lab/node-http.ts";
import type { Toxic } from "#scenarios/fault.ts";
import type { Connection } from "./connection.ts";

/** Longer heads are no request. */
const longestHead = 64 * 1024;

/** Answers the first request of a connection, whatever it is, and ends it in order. */
export function answerInstead(
  client: Socket,
  { status, type, body }: Extract<Toxic, { kind: "answer" }>,
  onGone: () => void,
): Connection {
  const bytes = Buffer.from(body);
  const head = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? "Unknown"}`,
    `content-type: ${type}`,
    `content-length: ${bytes.length}`,
    "connection: close",
  ].join("\r\n");
  let asked = "";
  const read = (part: Buffer): void => {
    asked += part.toString("latin1");
    if (asked.includes("\r\n\r\n")) {
      client.off("data", read);
      // What is left of the request is taken, or its sender would see a reset instead of the answer.
      client.resume();
      client.end(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bytes]));
    } else if (asked.length > longestHead) client.destroy();
  };
  client.on("data", read);
  client.on("end", () => client.end());
  client.on("error", () => {});
  client.on("close", onGone);
  return {
    setToxics: () => {},
    reset: () => client.resetAndDestroy(),
    drop: () => client.destroy(),
  };
}
