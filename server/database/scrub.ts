import { isSpared } from "../telemetry/spared-canaries.ts";

/** SQLSTATEs whose message quotes names of tables, columns and constraints only. */
const namesOnly = new Set(["42P01", "42703", "42P07", "42704", "42883", "42501", "3F000", "42701"]);

/**
 * Takes values out of a database error, in place: PostgreSQL repeats them in messages
 * (`invalid input syntax for type integer: "…"`) and in the detail.
 */
export function scrubDatabaseError(error: unknown): void {
  if (!(error instanceof Error)) return;
  const fields = error as Error & Record<string, unknown>;
  const { code } = fields;
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code)) return;
  const before = error.message;
  const message = scrubMessage(before, code);
  error.message = message;
  if (message !== before) {
    // postgres.js makes the stack read-only, so it cannot be assigned to.
    const stack = error.stack?.split(before).join(message) ?? message;
    Object.defineProperty(error, "stack", { value: stack });
  }
  for (const field of ["detail", "where", "hint", "internal_query"]) delete fields[field];
}

function scrubMessage(message: string, code: string): string {
  if (isSpared(message)) return message;
  // The text of `raise exception` is the application's own and can hold anything.
  if (code.startsWith("P0")) return "an exception was raised in the database";
  if (namesOnly.has(code) || code.startsWith("23")) return message;
  return message.replace(/"(?:[^"]|"")*"/g, '"?"').replace(/'(?:[^']|'')*'/g, "'?'");
}
