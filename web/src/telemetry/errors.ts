import { context, type SpanContext, TraceFlags, trace } from "@opentelemetry/api";
import {
  type Breadcrumb,
  captureException,
  type ErrorEvent,
  flush,
  getCurrentScope,
  init,
  type Scope,
} from "@sentry/svelte";
import { traceService } from "#scenarios/names.ts";
import { redactText, redactUrl } from "./redact.ts";

/** Integrations that would hide repeated runs of one fault, or send sessions nobody reads. */
const unwanted = new Set(["Dedupe", "BrowserSession"]);

/** An error that is told, with its texts redacted, and the span it belongs to. */
export interface ToldError {
  readonly type: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly of: SpanContext | undefined;
}

/**
 * Starts the Sentry SDK for errors and logs; spans stay with OpenTelemetry, so tracing is off.
 * @param onError hears of every error that Sentry is told, caught or not.
 */
export function startSentry(
  tunnel: string,
  release: string,
  onError: (error: ToldError) => void,
): void {
  init({
    dsn: `${location.protocol}//lab@${location.host}/1`,
    tunnel,
    release,
    environment: "lab",
    initialScope: { tags: { "service.name": traceService.web } },
    integrations: (defaults) => defaults.filter(({ name }) => !unwanted.has(name)),
    beforeSend: (event, { originalException }) => {
      if (event.request?.url !== undefined) event.request.url = redactUrl(event.request.url);
      for (const exception of event.exception?.values ?? []) {
        if (exception.value !== undefined) exception.value = redactText(exception.value);
      }
      if (event.message !== undefined) event.message = redactText(event.message);
      const told = event.exception?.values?.at(-1);
      if (told !== undefined) {
        const { stack } = originalException instanceof Error ? originalException : {};
        onError({
          type: told.type ?? "Error",
          message: told.value ?? "",
          stack: stack && redactText(stack),
          of: spanOf(event),
        });
      }
      return event;
    },
    beforeBreadcrumb: redactBreadcrumb,
    beforeSendLog: (log) => {
      const spanId = trace.getSpan(context.active())?.spanContext().spanId;
      if (spanId !== undefined) {
        log.attributes = { "sentry.trace.parent_span_id": spanId, ...log.attributes };
      }
      return log;
    },
  });
}

/** The span that {@link linkSentry} named when it happened. */
function spanOf({ contexts }: ErrorEvent): SpanContext | undefined {
  const { trace_id: traceId, span_id: spanId } = contexts?.trace ?? {};
  return traceId && spanId ? { traceId, spanId, traceFlags: TraceFlags.SAMPLED } : undefined;
}

/** Errors and logs from now on belong to this span, until the next link. */
export function linkSentry(span: SpanContext): void {
  link(getCurrentScope(), span);
}

/** For what belongs to a span that is not the linked one. */
export function scopeOf(span: SpanContext): Scope {
  const scope = getCurrentScope().clone();
  link(scope, span);
  return scope;
}

function link(scope: Scope, { traceId, spanId }: SpanContext): void {
  scope.setPropagationContext({
    traceId,
    propagationSpanId: spanId,
    sampleRand: Math.random(),
  });
}

/** Resolves when queued events have left, at the latest after `timeoutMs`. */
export const flushSentry = async (timeoutMs: number): Promise<void> => {
  await flush(timeoutMs);
};

/** An error that page code caught: Sentry shows it as handled. */
export function reportError(error: unknown): void {
  captureException(error);
}

function redactBreadcrumb(breadcrumb: Breadcrumb): Breadcrumb | null {
  const data = breadcrumb.data;
  if (breadcrumb.message !== undefined) breadcrumb.message = redactText(breadcrumb.message);
  for (const key of ["url", "from", "to"]) {
    if (typeof data?.[key] === "string") data[key] = redactUrl(data[key]);
  }
  return typeof data?.url === "string" && data.url.includes("/lab/") ? null : breadcrumb;
}
