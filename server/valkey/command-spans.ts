import { context, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  ATTR_DB_NAMESPACE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_QUERY_TEXT,
  ATTR_DB_RESPONSE_STATUS_CODE,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from "@opentelemetry/semantic-conventions";
import type { Command, Redis } from "iovalkey";
import { observeOperation } from "../metrics.ts";
import { type CommandText, describeCommand } from "./command-text.ts";
import { errorType, replyPrefix, scrubCommandError } from "./failure.ts";

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
  const span = trace.getActiveSpan() === undefined ? undefined : open(described, client);
  const startedAt = performance.now();
  const measured = span === undefined ? context.active() : trace.setSpan(context.active(), span);
  const measure = (type: string | undefined) =>
    context.with(measured, () =>
      observeOperation(
        { system, operation: described.operation, collection: undefined, errorType: type },
        (performance.now() - startedAt) / 1000,
      ),
    );
  let ended = false;
  const isFirst = (): boolean => {
    const first = !ended;
    ended = true;
    return first;
  };
  command.resolve = (reply) => {
    // A reply that comes after its time ran out finds the command rejected already.
    if (isFirst()) {
      measure(undefined);
      span?.end();
    }
    return resolve(reply);
  };
  const refuse = (error: Error): void => {
    if (isFirst()) {
      measure(errorType(error));
      if (span !== undefined) fail(span, error);
    }
    reject(error);
  };
  command.reject = (cause) => {
    const error = scrubCommandError(cause) as Error;
    // After a stall of this process timers run before sockets are read: the reply may lie there.
    if (errorType(error) === "COMMAND_TIMEOUT") setImmediate(refuse, error);
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

function fail(span: Span, error: Error): void {
  const prefix = replyPrefix(error);
  span.setAttribute(ATTR_ERROR_TYPE, errorType(error));
  if (prefix !== undefined) span.setAttribute(ATTR_DB_RESPONSE_STATUS_CODE, prefix);
  span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  span.end();
}

/** The driver knows where a command's keys stand, and refuses what has too few arguments. */
function keysOf(command: Command): readonly unknown[] {
  try {
    return command.getKeys();
  } catch {
    return [];
  }
}
