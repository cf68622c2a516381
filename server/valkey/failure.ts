import { errorTypeOf } from "../error-type.ts";

/** Replies that mean "not now": the server is there and cannot serve. Others are about the command. */
const notServing = new Set(["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "READONLY"]);

/**
 * The error of a command as spans, metrics and callers know it: `code` is set, and what the driver
 * hangs on it, the command with all its arguments, is gone. In place; anything else comes back as it is.
 */
export function scrubCommandError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const fields = error as Error & { code?: unknown; command?: unknown };
  delete fields.command;
  const before = error.message;
  // "ERR unknown command 'x', with args beginning with: …" repeats them.
  error.message = before.replace(/,? with args beginning with:[\s\S]*/i, "");
  if (error.message !== before && error.stack !== undefined) {
    error.stack = error.stack.replace(before, error.message);
  }
  if (typeof fields.code !== "string") fields.code = codeOf(error);
  return error;
}

/** The prefix of an error reply (https://valkey.io/topics/protocol/#simple-errors), if it is one. */
export function replyPrefix(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  return /^[A-Z][A-Z0-9]*/.exec(error.message)?.[0] ?? "ERR";
}

/** True when another command would most likely fail in the same way, whatever it is. */
export function isAway(error: unknown): boolean {
  const prefix = replyPrefix(error);
  return prefix === undefined ? connectionCodes.has(errorTypeOf(error)) : notServing.has(prefix);
}

const connectionCodes = new Set([
  "COMMAND_TIMEOUT",
  "CONNECTION_CLOSED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
]);

function codeOf(error: Error): string {
  const prefix = replyPrefix(error);
  if (prefix !== undefined) return prefix;
  if (/timed out/i.test(error.message)) return "COMMAND_TIMEOUT";
  if (closed.test(error.message) || /^(?:MaxRetriesPerRequest|Abort)Error$/.test(error.name)) {
    return "CONNECTION_CLOSED";
  }
  return error.name;
}

const closed = /connection is closed|isn't writeable|socket timeout|connection close/i;
