import type { CheckState } from "#lab/api/checks.ts";
import type { RunRecord, SignalId } from "#lab/api/runs.ts";
import type { ScenarioCard } from "#lab/api/scenarios.ts";
import type { ServiceStatus } from "#lab/api/services.ts";
import type { Group, Requirement } from "#scenarios/define.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";
import type { IconName } from "../lib/icons.ts";

/** How a state is told: a word, a mark and a tone. Never a colour alone. */
export interface Wording {
  readonly word: string;
  readonly icon: IconName;
  readonly tone: "pass" | "error" | "caution" | "neutral";
}

/** A verdict or the state of a check. */
export function wordingOf(state: CheckState): Wording {
  switch (state) {
    case "pass":
      return { word: "Pass", icon: "check", tone: "pass" };
    case "fail":
      return { word: "Fail", icon: "cross", tone: "error" };
    case "pending":
      return { word: "Pending", icon: "clock", tone: "neutral" };
    case "inconclusive":
      return { word: "Inconclusive", icon: "question", tone: "caution" };
    case "not-applicable":
      return { word: "Not applicable", icon: "dash", tone: "neutral" };
    case "declared":
      return { word: "Declared", icon: "log", tone: "neutral" };
  }
}

/** A run that has no verdict yet because it goes on. */
export const running: Wording = { word: "Running", icon: "clock", tone: "neutral" };

/** A service's state. */
export function wordingOfService({ kind, state }: Pick<ServiceStatus, "kind" | "state">): Wording {
  if (kind === "absent") return { word: "Absent", icon: "dash", tone: "neutral" };
  switch (state) {
    case "ready":
      return { word: "Ready", icon: "check", tone: "pass" };
    case "waiting":
      return { word: "Waiting", icon: "clock", tone: "neutral" };
    case "preparing":
      return { word: "Preparing", icon: "clock", tone: "caution" };
    case "starting":
      return { word: "Starting", icon: "clock", tone: "caution" };
    case "backing-off":
      return { word: "Restarting soon", icon: "again", tone: "caution" };
    case "crash-looping":
      return { word: "Keeps crashing", icon: "alert", tone: "error" };
    case "stopping":
      return { word: "Stopping", icon: "clock", tone: "caution" };
    case "stopped":
      return { word: "Stopped", icon: "stop", tone: "neutral" };
    case "unavailable":
      return { word: "Unavailable", icon: "alert", tone: "error" };
  }
}

/** The run in one sentence. */
export function sentenceOf({
  state,
  verdict,
  checks,
}: Pick<RunRecord, "state" | "verdict" | "checks">): string {
  if (state === "driving") return "Telemetry is coming in.";
  if (state === "settling") return "The request is over; late telemetry may still arrive.";
  return endings[state] + verdictSentence(verdict, checks);
}

const endings: Readonly<Record<"settled" | "expired" | "abandoned", string>> = {
  settled: "",
  expired: "Its time ran out before the driver reported the end. ",
  abandoned: "Abandoned: the page or program that drove it went away before the end. ",
};

function verdictSentence(verdict: CheckState, checks: RunRecord["checks"]): string {
  const many = checks.length === 1 ? "1 check" : `${checks.length} checks`;
  const inState = (state: CheckState) => checks.filter((check) => check.state === state);
  switch (verdict) {
    case "pass":
      return `Passed: ${inState("pass").length} of ${many}.`;
    case "fail": {
      const failed = inState("fail");
      return `Failed: ${failed.length} of ${many}: ${failed[0]?.seen ?? failed[0]?.title ?? "see below"}.`;
    }
    case "pending":
      return `Not judged yet: ${inState("pending").length} of ${many} wait for telemetry.`;
    case "inconclusive": {
      const open = inState("inconclusive");
      return `Not judged: ${open.length} of ${many}: ${open[0]?.seen ?? "a source that should answer did not"}.`;
    }
    case "not-applicable":
      return "Not judged: nothing that can be seen here is expected in this mode.";
    case "declared":
      return `Not judged: ${many} declared, in a lab from before it had a judge.`;
  }
}

/** The lights of the signal strip. */
export const signals: Readonly<
  Record<SignalId, { readonly title: string; readonly icon: IconName }>
> = {
  "browser-span": { title: "Browser span", icon: "browser" },
  "server-span": { title: "Server span", icon: "server" },
  "store-span": { title: "Data-store span", icon: "database" },
  metric: { title: "Metric", icon: "path" },
  exemplar: { title: "Exemplar", icon: "link" },
  log: { title: "Log", icon: "log" },
  "sentry-event": { title: "Sentry event", icon: "bug" },
};

/** Which kind of evidence an expectation is about. */
export const evidence: Readonly<
  Record<Expectation["signal"], { readonly title: string; readonly icon: IconName }>
> = {
  span: { title: "Spans", icon: "traces" },
  order: { title: "Span order", icon: "traces" },
  trace: { title: "Trace shape", icon: "traces" },
  metric: { title: "Metric", icon: "path" },
  log: { title: "Log", icon: "log" },
  sentry: { title: "Sentry", icon: "bug" },
  answer: { title: "Answer", icon: "server" },
  page: { title: "Page", icon: "browser" },
  component: { title: "Component", icon: "services" },
  agree: { title: "Agreement", icon: "path" },
  secrets: { title: "Credentials", icon: "alert" },
  check: { title: "Check", icon: "check" },
};

/** What a person asks of a scenario before it runs: where it will be seen. */
export const families: readonly {
  readonly title: string;
  readonly icon: IconName;
  readonly signals: readonly Expectation["signal"][];
}[] = [
  { title: "Trace", icon: "traces", signals: ["span", "order", "trace"] },
  { title: "Metrics", icon: "path", signals: ["metric"] },
  { title: "Logs", icon: "log", signals: ["log"] },
  { title: "Sentry", icon: "bug", signals: ["sentry"] },
  { title: "Page", icon: "browser", signals: ["page"] },
  { title: "App", icon: "server", signals: ["answer", "component"] },
  { title: "Rules", icon: "check", signals: ["agree", "secrets", "check"] },
];

/** What a scenario cannot run without. */
export const requirementTitles: Readonly<Record<Requirement, string>> = {
  chromium: "Chromium",
  "real valkey": "real Valkey",
  "s3 stand-in": "S3 stand-in",
  "signed-in": "sign-in",
};

/** Section titles of the scenario list. */
export const groupTitles: Readonly<Record<Group, string>> = {
  db: "Database",
  cache: "Cache",
  s3: "Object storage",
  auth: "Sign-in",
  run: "Process",
  ui: "Browser",
  pipe: "Telemetry pipeline",
};

/** A parameter as a person reads it: its label, and its value with the unit. Without a card by its name. */
export function wordingOfParam(
  card: Pick<ScenarioCard, "params"> | undefined,
  name: string,
  value: ParamValue,
): { readonly label: string; readonly value: string } {
  const param = card?.params[name];
  const unit = param?.kind === "integer" ? param.unit : undefined;
  return {
    label: param?.label ?? name,
    value: unit === undefined ? String(value) : `${value} ${unit}`,
  };
}

/** What each mode does, for tooltips. */
export const modeTitles: Readonly<Record<Mode, string>> = {
  fault: "Break it",
  control: "The same work, unbroken",
  fix: "The cure in place",
};
