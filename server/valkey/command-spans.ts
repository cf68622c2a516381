import { type Span, SpanKind, trace } from "@opentelemetry/api";
import {
  ATTR_DB_NAMESPACE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_QUERY_TEXT,
  ATTR_DB_RESPONSE_STATUS_CODE,
  ATTR_DB_SYSTEM_NAME,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from "@opentelemetry/semantic-conventions";
import type { Command, Redis } from "iovalkey";
import { errorTypeOf } from "../error-type.ts";
import { startOperation } from "../telemetry/client-operation.ts";
import { type CommandText, describeCommand } from "./command-text.ts";
import { replyPrefix, scrubCommandError } from "./failure.ts";

/** The conventions know no `valkey` (https://opentelemetry.io/docs/specs/semconv/database/redis/). */
const system = "redis";
const tracer = trace.getTracer("lab-server/iovalkey");

/** What a connection says to be a connection: nobody's work, so neither span nor metric. */
const chores = new Set(["auth", "hello", "client", "select", "readonly", "quit"]);

/**
 * Makes each command of a client a CLIENT span below the caller's, and observes its duration;
 * outside a trace only the duration. Clients made from it by `duplicate()` are instrumented too.
 */
export function instrumentCommands(client: Redis): Redis {
  const { sendCommand, duplicate } = client;
  const seen = new WeakSet<Command>();
  client.sendCommand = (command, stream) => {
    const isChore = chores.has(command.name) || client.status === "connect";
    if (!isChore && !seen.has(command)) {
      seen.add(command);
      observe(command, client);
    }
    return sendCommand.call(client, command, stream);
  };
  client.duplicate = (override) => instrumentCommands(duplicate.call(client, override));
  return client;
}

function observe(command: Command, client: Redis): void {
  const { resolve, reject } = command;
  const described = describeCommand(command.name, command.args, keysOf(command));
  const operation = startOperation(
    { system, operation: described.operation, collection: undefined },
    () => open(described, client),
  );
  let ended = false;
  const isFirst = (): boolean => {
    const first = !ended;
    ended = true;
    return first;
  };
  command.resolve = (reply) => {
    // A reply that comes after its time ran out finds the command rejected already.
    if (isFirst()) operation.succeed();
    return resolve(reply);
  };
  const refuse = (error: Error): void => {
    if (isFirst()) {
      const prefix = replyPrefix(error);
      if (prefix !== undefined) operation.span?.setAttribute(ATTR_DB_RESPONSE_STATUS_CODE, prefix);
      operation.fail(error);
    }
    reject(error);
  };
  command.reject = (cause) => {
    const error = scrubCommandError(cause) as Error;
    // After a stall of this process timers run before sockets are read: the reply may lie there.
    if (errorTypeOf(error) === "COMMAND_TIMEOUT") setImmediate(refuse, error);
    else refuse(error);
  };
}

function open({ operation, text }: CommandText, client: Redis): Span {
  const { host = "127.0.0.1", port = 6379, db = 0 } = client.options;
  return tracer.startSpan(operation, {
    kind: SpanKind.CLIENT,
    attributes: {
      [ATTR_DB_SYSTEM_NAME]: system,
      [ATTR_DB_NAMESPACE]: String(db),
      [ATTR_DB_OPERATION_NAME]: operation,
      [ATTR_DB_QUERY_TEXT]: text,
      [ATTR_SERVER_ADDRESS]: host,
      [ATTR_SERVER_PORT]: port,
    },
  });
}

/** The driver knows where a command's keys stand, and refuses what has too few arguments. */
function keysOf(command: Command): readonly unknown[] {
  try {
    return command.getKeys();
  } catch {
    return [];
  }
}
