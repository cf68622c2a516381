import { LabError } from "#lab/errors.ts";

export type Labels = Readonly<Record<string, string>>;

/** One observation that stands for a bucket or counter, with the trace it came from in its labels. */
export interface Exemplar {
  readonly labels: Labels;
  readonly value: number;
}

export interface MetricSample {
  /** As exposed, suffix included, e.g. `http_server_request_duration_seconds_bucket`. */
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
  readonly exemplar?: Exemplar;
}

/** Type of a metric family; what an exposition calls otherwise is `unknown`. */
export type MetricType = "counter" | "gauge" | "histogram" | "summary" | "unknown";

export interface MetricFamily {
  /** Without the suffixes that its samples add. */
  readonly name: string;
  readonly type: MetricType;
}

export interface Exposition {
  /** Declared by `# TYPE`: a labelled metric is listed here before it has its first sample. */
  readonly families: readonly MetricFamily[];
  /** In the order of the text. Samples without a finite value say nothing and are left out. */
  readonly samples: readonly MetricSample[];
}

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const labelNamePattern = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const types: readonly string[] = ["counter", "gauge", "histogram", "summary"];

/**
 * Parses the text format of Prometheus 0.0.4 and of OpenMetrics 1.0
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/). Timestamps are ignored.
 * @throws LabError `metrics-malformed` with the line number; an OpenMetrics text without its
 * closing `# EOF` was cut off and counts as malformed.
 */
export function parseExposition(text: string, format: "openmetrics" | "prometheus"): Exposition {
  const families: MetricFamily[] = [];
  const samples: MetricSample[] = [];
  const lines = text.split("\n");
  let ended = false;
  for (const [index, raw] of lines.entries()) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line.trim() === "") continue;
    if (ended) throw malformed(index, "text after # EOF");
    if (line.startsWith("#")) {
      ended = format === "openmetrics" && line === "# EOF";
      const family = familyIn(line);
      if (family) families.push(family);
      continue;
    }
    const sample = sampleIn(line, index);
    if (Number.isFinite(sample.value)) samples.push(sample);
  }
  if (format === "openmetrics" && !ended) throw malformed(lines.length - 1, "no # EOF at the end");
  return { families, samples };
}

function familyIn(line: string): MetricFamily | undefined {
  const [, keyword, name, type] = line.split(/\s+/);
  if (keyword !== "TYPE" || name === undefined || type === undefined) return undefined;
  return { name, type: types.includes(type) ? (type as MetricType) : "unknown" };
}

function sampleIn(line: string, index: number): MetricSample {
  const cursor = { line, index, at: 0 };
  const name = take(cursor, namePattern, "a metric name");
  const labels = line[cursor.at] === "{" ? labelsAt(cursor) : {};
  const value = numberAt(cursor);
  // Whatever stands between the value and an exemplar is a timestamp.
  const mark = line.indexOf("#", cursor.at);
  if (mark < 0) return { name, labels, value };
  cursor.at = mark + 1;
  skipSpaces(cursor);
  const exemplar = { labels: labelsAt(cursor), value: numberAt(cursor) };
  return { name, labels, value, exemplar };
}

interface Cursor {
  readonly line: string;
  readonly index: number;
  at: number;
}

const malformed = (index: number, what: string): LabError =>
  new LabError("metrics-malformed", `The metrics text is malformed in line ${index + 1}: ${what}`, {
    hint: "Read the metrics address by hand and look at that line.",
  });

function skipSpaces(cursor: Cursor): void {
  while (cursor.line[cursor.at] === " " || cursor.line[cursor.at] === "\t") cursor.at++;
}

function take(cursor: Cursor, pattern: RegExp, what: string): string {
  const found = pattern.exec(cursor.line.slice(cursor.at))?.[0];
  if (found === undefined) throw malformed(cursor.index, `${what} is missing`);
  cursor.at += found.length;
  return found;
}

function numberAt(cursor: Cursor): number {
  skipSpaces(cursor);
  const word = take(cursor, /^[^\s#]+/, "the value");
  if (/^[+-]?Inf(inity)?$/i.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(word)) return Number.NaN;
  const value = Number(word);
  if (Number.isNaN(value)) throw malformed(cursor.index, `${word} is not a number`);
  return value;
}

function labelsAt(cursor: Cursor): Labels {
  if (cursor.line[cursor.at] !== "{") throw malformed(cursor.index, "{ is missing");
  cursor.at++;
  const labels: [string, string][] = [];
  for (;;) {
    skipSpaces(cursor);
    if (cursor.line[cursor.at] === "}") break;
    const name = take(cursor, labelNamePattern, "a label name");
    take(cursor, /^\s*=\s*"/, '="');
    labels.push([name, quotedAt(cursor)]);
    skipSpaces(cursor);
    if (cursor.line[cursor.at] === ",") cursor.at++;
    else if (cursor.line[cursor.at] !== "}") throw malformed(cursor.index, ", or } is missing");
  }
  cursor.at++;
  return Object.fromEntries(labels);
}

/** Reads up to the closing quote; `\\`, `\"` and `\n` are the only escapes, others stay as written. */
function quotedAt(cursor: Cursor): string {
  let value = "";
  for (; cursor.at < cursor.line.length; cursor.at++) {
    const character = cursor.line[cursor.at];
    if (character === '"') {
      cursor.at++;
      return value;
    }
    if (character !== "\\") {
      value += character;
      continue;
    }
    cursor.at++;
    const escaped = cursor.line[cursor.at];
    if (escaped === "n") value += "\n";
    else if (escaped === "\\" || escaped === '"') value += escaped;
    else value += `\\${escaped ?? ""}`;
  }
  throw malformed(cursor.index, "a label value does not end");
}
