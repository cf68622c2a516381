import {
  type Context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { type Logger, SeverityNumber } from "@opentelemetry/api-logs";
import { metrics } from "@sentry/svelte";
import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import { header } from "#scenarios/names.ts";
import { scopeOf } from "./errors.ts";
import { pageVisibility, postponing } from "./postpone.ts";

/** A vital as it is told: of a page load, or of one interaction that was measured by itself. */
export type Vital = Pick<Metric, "name" | "value" | "rating"> &
  Partial<Pick<Metric, "id" | "delta" | "navigationType">> & {
    /** When it was known, in milliseconds since the epoch; now, by default. */
    readonly at?: number;
  };

/** The app's route that observes a vital in a histogram. */
export const vitalsPath = "/api/vitals";

/** What telling needs of the page's telemetry. */
export interface VitalTelling {
  readonly tracer: Tracer;
  readonly logger: Logger;
}

/**
 * Tells a vital in every signal: a span and a log event `browser.web_vital`
 * (https://opentelemetry.io/docs/specs/semconv/browser/events/), a Sentry metric, and to the app,
 * whose histogram gets the span's trace as exemplar. Resolves when the app has heard; never rejects.
 */
export async function tellVital(
  { tracer, logger }: VitalTelling,
  parent: Context,
  { name, value, rating, id, delta, navigationType, at = Date.now() }: Vital,
): Promise<void> {
  const short = name.toLowerCase();
  const attributes = {
    "browser.web_vital.name": short,
    "browser.web_vital.value": value,
    "browser.web_vital.rating": rating,
    ...(delta === undefined ? {} : { "browser.web_vital.delta": delta }),
    ...(id === undefined ? {} : { "browser.web_vital.id": id }),
    ...(navigationType === undefined
      ? {}
      : { "browser.web_vital.navigation_type": navigationType }),
  };
  const span = tracer.startSpan(
    `browser.web_vital.${short}`,
    { attributes, startTime: at },
    parent,
  );
  const own = trace.setSpan(parent, span);
  logger.emit({
    eventName: "browser.web_vital",
    body: "browser.web_vital",
    severityNumber: SeverityNumber.INFO,
    attributes,
    timestamp: at,
    context: own,
  });
  span.end(at);
  metrics.distribution(`browser.web_vital.${short}`, value, {
    attributes: { rating },
    ...(name === "CLS" ? {} : { unit: "millisecond" }),
    // The linked span is that of the newest interaction, which this need not be about.
    scope: scopeOf(span.spanContext()),
  });
  await post(own, { name, value });
}

/** Kept alive: the last ones are told while the page goes away. */
async function post(of: Context, vital: Pick<Vital, "name" | "value">): Promise<void> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    [header.csrf]: "1",
  };
  propagation.inject(of, headers);
  await fetch(vitalsPath, {
    method: "POST",
    keepalive: true,
    headers,
    body: JSON.stringify(vital),
  }).catch(() => undefined);
}

/** Telling takes requests, a trace of the app and what both lead to. Just then a first click waits for its own. */
const tellAfterMs = 1000;

/**
 * Tells the page load's five vitals, each once, below the page load's span, and as of when they were
 * known. What is known when the page is hidden is told in the capture phase of that event: whoever
 * listens to it later can send what it led to, all in one, before the page is gone. Browsers refuse
 * a tenth request that is to outlive its page.
 */
export function reportWebVitals(telling: VitalTelling, pageLoad: Span): void {
  const parent = trace.setSpan(ROOT_CONTEXT, pageLoad);
  const told = new Set<string>();
  const later = postponing(tellAfterMs, pageVisibility);
  const report = (metric: Metric): void => {
    // A page that is shown and hidden again is told of anew.
    if (told.has(metric.id)) return;
    told.add(metric.id);
    const { name, value, rating, id, delta, navigationType } = metric;
    const vital = { name, value, rating, id, delta, navigationType, at: Date.now() };
    later(() => void tellVital(telling, parent, vital));
  };
  for (const observe of [onCLS, onFCP, onINP, onLCP, onTTFB]) observe(report);
}
