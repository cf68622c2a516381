import { context, type Span, SpanKind, trace } from "@opentelemetry/api";
import {
  ATTR_DB_COLLECTION_NAME,
  ATTR_DB_NAMESPACE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_QUERY_SUMMARY,
  ATTR_DB_QUERY_TEXT,
  ATTR_DB_RESPONSE_STATUS_CODE,
  ATTR_DB_SYSTEM_NAME,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from "@opentelemetry/semantic-conventions";
import { errorTypeOf } from "../error-type.ts";
import { isAbandonedWork } from "../outbound/client-left.ts";
import { startOperation } from "../telemetry/client-operation.ts";
import { isSpared } from "../telemetry/spared-canaries.ts";
import { signalOf } from "./cancel.ts";
import type { DriverQuery } from "./query.ts";
import { readStatement, type Statement } from "./statement.ts";

/** Development status in the semantic conventions, so not among the stable constants. */
const returnedRows = "db.response.returned_rows";
const tracer = trace.getTracer("lab-server/postgres.js");

/** Where the pool's connections go. */
export interface Peer {
  /** Name of the pool they belong to. */
  readonly pool: string;
  readonly address: string;
  readonly port: number;
  /** `database|schema` (https://opentelemetry.io/docs/specs/semconv/database/postgresql/). */
  readonly namespace: string;
}

/**
 * Opens the CLIENT span of a query. The result ends it, observes the duration and gives the
 * exemplar its span; `undefined` outside a trace, where nobody would find the span.
 */
export function startQuerySpan(
  query: DriverQuery,
  peer: Peer,
): { readonly succeed: (result: unknown) => void; readonly fail: (error: unknown) => void } {
  const statement = statementOf(query);
  const collection = statement.collections.length === 1 ? statement.collections[0] : undefined;
  const operation = startOperation(
    { system: "postgresql", operation: statement.operation, collection, pool: peer.pool },
    () => open(statement, collection, peer),
  );
  const signal = signalOf(context.active());
  return {
    succeed(result) {
      const rows = result as { readonly length?: number; readonly columns?: readonly unknown[] };
      // `begin` and `update` also give an empty list, but no columns.
      if (rows?.length !== undefined && (rows.columns?.length ?? 0) > 0) {
        operation.span?.setAttribute(returnedRows, rows.length);
      }
      operation.succeed();
    },
    fail(error) {
      const type = errorTypeOf(error);
      if (/^[0-9A-Z]{5}$/.test(type))
        operation.span?.setAttribute(ATTR_DB_RESPONSE_STATUS_CODE, type);
      // The caller's own wish is no error.
      if (isAbandonedWork(signal, error)) operation.succeed();
      else operation.fail(error);
    },
  };
}

function open(statement: Statement, collection: string | undefined, peer: Peer): Span {
  return tracer.startSpan(statement.summary, {
    kind: SpanKind.CLIENT,
    attributes: {
      [ATTR_DB_SYSTEM_NAME]: "postgresql",
      [ATTR_DB_NAMESPACE]: peer.namespace,
      [ATTR_DB_OPERATION_NAME]: statement.operation,
      [ATTR_DB_QUERY_SUMMARY]: statement.summary,
      [ATTR_DB_QUERY_TEXT]: statement.text,
      ...(collection === undefined ? {} : { [ATTR_DB_COLLECTION_NAME]: collection }),
      [ATTR_SERVER_ADDRESS]: peer.address,
      [ATTR_SERVER_PORT]: peer.port,
    },
  });
}

const known = new WeakMap<readonly string[], Statement>();

function statementOf(query: DriverQuery): Statement {
  const cached = known.get(query.strings);
  if (cached !== undefined) return cached;
  const text = textOf(query.strings, query.args, { last: 0 });
  const statement = readStatement(text);
  if (isSpared(text)) return { ...statement, text };
  // Fragments and names change the text from call to call, values do not.
  if (!query.args.some((arg) => isFragment(arg) || isIdentifier(arg))) {
    known.set(query.strings, statement);
  }
  return statement;
}

function textOf(
  strings: readonly string[],
  args: readonly unknown[],
  parameter: { last: number },
): string {
  return strings.reduce((text, part, index) => {
    if (index === 0) return part;
    const arg = args[index - 1];
    if (isFragment(arg)) return text + textOf(arg.strings, arg.args, parameter) + part;
    if (isIdentifier(arg)) return text + arg.value + part;
    parameter.last += 1;
    return `${text}$${parameter.last}${part}`;
  }, "");
}

const isFragment = (arg: unknown): arg is Pick<DriverQuery, "strings" | "args"> =>
  typeof arg === "object" && arg !== null && "strings" in arg && "handler" in arg;
const isIdentifier = (arg: unknown): arg is { readonly value: string } =>
  typeof arg === "object" && arg !== null && arg.constructor?.name === "Identifier";
