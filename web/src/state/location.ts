import type { RunsFilter } from "#lab/api/runs.ts";

/** Where the page is. Every view is a value of this type, and every value has one URL. */
export type Place =
  | { readonly view: "scenarios"; readonly scenario: string | null }
  | ({ readonly view: "runs" } & Omit<RunsFilter, "scenario">)
  | ({ readonly view: "run"; readonly runId: string } & TraceFocus)
  /** Two runs side by side. */
  | { readonly view: "compare"; readonly left: string; readonly right: string }
  | ({
      readonly view: "traces";
      readonly traceId: string | null;
      /** TraceQL that the list is of; absent: everything. */
      readonly q?: string;
    } & TraceFocus)
  | { readonly view: "services" }
  | { readonly view: "unknown"; readonly path: string };

const runModes = ["fault", "control", "fix"] as const;
const runVerdicts = ["pass", "fail", "other"] as const;

/** What of a trace is looked at: all of it is kept in the query, so that a link shows the same. */
export interface TraceFocus {
  /** 32 hex digits; null: the first trace there is. */
  readonly trace: string | null;
  /** Selected span, 16 hex digits. */
  readonly span: string | null;
  /** Shown window in milliseconds from the trace's start; null: all of it. */
  readonly window: { readonly fromMs: number; readonly toMs: number } | null;
}

/** A focus on nothing in particular. */
export const noFocus: TraceFocus = { trace: null, span: null, window: null };

/** Reads a path with its query, e.g. `/runs/01k…?span=00f067aa0ba902b7`. */
export function placeOf(url: URL): Place {
  const [first, second, ...rest] = url.pathname.split("/").filter(Boolean).map(decode);
  const unknown: Place = { view: "unknown", path: url.pathname };
  const [third] = rest;
  if (first === "compare" && second !== undefined && third !== undefined && rest.length === 1) {
    return { view: "compare", left: second, right: third };
  }
  if (rest.length > 0) return unknown;
  switch (first) {
    case undefined:
      return { view: "scenarios", scenario: null };
    case "scenarios":
      return { view: "scenarios", scenario: second ?? null };
    case "runs":
      return second === undefined
        ? { view: "runs", ...filterOf(url.searchParams) }
        : { view: "run", runId: second, ...focusOf(url.searchParams) };
    case "traces":
      return {
        view: "traces",
        traceId: second ?? null,
        ...focusOf(url.searchParams),
        ...(second === undefined && url.searchParams.get("q")
          ? { q: url.searchParams.get("q") ?? "" }
          : {}),
      };
    case "services":
      return second === undefined ? { view: "services" } : unknown;
    default:
      return unknown;
  }
}

/** The path and query of a place: the inverse of {@link placeOf}. */
export function hrefOf(place: Place): string {
  switch (place.view) {
    case "scenarios":
      return place.scenario === null ? "/" : `/scenarios/${encodeURIComponent(place.scenario)}`;
    case "runs":
      return `/runs${textOf({ q: place.q, mode: place.mode, verdict: place.verdict })}`;
    case "run":
      return `/runs/${encodeURIComponent(place.runId)}${queryOf(place)}`;
    case "compare":
      return `/compare/${encodeURIComponent(place.left)}/${encodeURIComponent(place.right)}`;
    case "traces":
      return place.traceId === null
        ? `/traces${textOf({ q: place.q })}`
        : `/traces/${encodeURIComponent(place.traceId)}${queryOf(place)}`;
    case "services":
      return "/services";
    case "unknown":
      return place.path;
  }
}

function filterOf(query: URLSearchParams): Omit<RunsFilter, "scenario"> {
  const q = query.get("q");
  const mode = runModes.find((one) => one === query.get("mode"));
  const verdict = runVerdicts.find((one) => one === query.get("verdict"));
  return {
    ...(q === null || q === "" ? {} : { q }),
    ...(mode === undefined ? {} : { mode }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}

function textOf(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given as [string, string][])}`;
}

function focusOf(query: URLSearchParams): TraceFocus {
  const fromMs = Number(query.get("from") ?? Number.NaN);
  const toMs = Number(query.get("to") ?? Number.NaN);
  return {
    trace: hex(query.get("trace"), 32),
    span: hex(query.get("span"), 16),
    window: toMs > fromMs ? { fromMs, toMs } : null,
  };
}

function queryOf({ trace, span, window }: TraceFocus): string {
  const query = new URLSearchParams();
  if (trace !== null) query.set("trace", trace);
  if (span !== null) query.set("span", span);
  if (window !== null) {
    query.set("from", round(window.fromMs));
    query.set("to", round(window.toMs));
  }
  return query.size === 0 ? "" : `?${query}`;
}

const round = (ms: number): string => String(Math.round(ms * 1e6) / 1e6);
const hex = (text: string | null, digits: number): string | null =>
  text !== null && text.length === digits && /^[0-9a-f]+$/.test(text) ? text : null;

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
