import type { IncomingMessage, ServerResponse } from "node:http";
import * as v from "valibot";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { describeExpectation } from "#scenarios/describe.ts";
import type { AccountBody } from "../api/account.ts";
import type { ErrorBody } from "../api/error.ts";
import { runIdSchema, traceIdSchema } from "../api/ids.ts";
import type { InsightsBody } from "../api/insights.ts";
import { clientSchema, createRunSchema, observationSchema } from "../api/run-request.ts";
import type { RunsBody } from "../api/runs.ts";
import type { ScenarioCard, ScenariosBody } from "../api/scenarios.ts";
import type { SelfTestBody } from "../api/self-test.ts";
import type { ServiceBody, ServiceLogBody, ServiceStatus, StatusBody } from "../api/services.ts";
import { LabError } from "../errors.ts";
import { explain } from "../explain/explain.ts";
import type { Evidence } from "../judge/evidence.ts";
import { disabledReason, type Unfit } from "../runs/admission.ts";
import type { Drivers } from "../runs/drivers.ts";
import { metricChanges } from "../runs/metric-changes.ts";
import type { Runs } from "../runs/runs.ts";
import { type ServiceId, serviceIds } from "../services/ids.ts";
import { readSelfTest } from "../state/self-test-file.ts";
import { storeRoutes } from "../store/contract.ts";
import type { System } from "../system.ts";
import { answer, answerError, answerJson, drain } from "./answer.ts";
import type { EventHub } from "./events.ts";
import { bodyLimits } from "./guard.ts";
import { parse, readJson } from "./json-body.ts";
import type { ControlRoute } from "./routing.ts";

/** What the control API works on once the system is attached. */
export interface ControlParts {
  /** State folder of the clone. */
  readonly dir: string;
  readonly system: System;
  readonly runs: Runs;
  readonly drivers: Drivers;
  readonly catalogue: Catalogue;
  readonly unfit: Unfit;
  readonly hub: EventHub;
  /** The seeded user, for whoever uses the lab. */
  readonly account: AccountBody;
  readonly about: Pick<StatusBody, "version" | "origin" | "startedAt">;
  /** Streams the answer of the store for this path. */
  readonly fromStore: (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    bodyLimit?: number,
  ) => void;
}

/** Runs shown on a card. */
const lastRunsShown = 10;

const count = (most: number, usual: number) =>
  v.optional(
    v.pipe(v.string(), v.digits(), v.toNumber(), v.minValue(1), v.maxValue(most)),
    String(usual),
  );
const shortText = v.pipe(v.string(), v.maxLength(200));
const runsQuery = v.strictObject({
  scenario: v.optional(shortText),
  mode: v.optional(v.picklist(["fault", "control", "fix"])),
  verdict: v.optional(v.picklist(["pass", "fail", "other"])),
  q: v.optional(shortText),
  before: v.optional(runIdSchema),
  limit: count(500, 100),
});
const logLinesQuery = v.strictObject({ lines: count(2000, 200) });
const logsQuery = v.strictObject({
  run: v.optional(runIdSchema),
  trace: v.optional(traceIdSchema),
  service: v.optional(shortText),
  severity: v.optional(v.picklist(["trace", "debug", "info", "warn", "error", "fatal"])),
  text: v.optional(shortText),
  limit: count(5000, 500),
});
const sentryQuery = v.strictObject({
  run: v.optional(runIdSchema),
  trace: v.optional(traceIdSchema),
  kind: v.optional(shortText),
  limit: count(5000, 500),
});
const eventsQuery = v.strictObject({
  client: v.optional(clientSchema),
  run: v.optional(runIdSchema),
  trace: v.optional(traceIdSchema),
});
const searchQuery = v.strictObject({
  q: v.optional(v.pipe(v.string(), v.maxLength(4000)), "{}"),
  limit: count(1000, 20),
  start: v.optional(v.pipe(v.string(), v.digits(), v.maxLength(15))),
  end: v.optional(v.pipe(v.string(), v.digits(), v.maxLength(15))),
});
const redQuery = v.strictObject({
  seconds: count(31_536_000, 300),
  service: v.optional(shortText),
  limit: count(5000, 500),
});

const milliseconds = v.pipe(v.string(), v.regex(/^\d{1,15}$/, "Invalid time"));
const metricsQuery = v.pipe(
  v.objectWithRest(
    {
      run: v.optional(runIdSchema),
      name: v.optional(shortText),
      from: v.optional(milliseconds),
      to: v.optional(milliseconds),
      limit: count(5000, 500),
    },
    shortText,
  ),
  // What else there is must be a label, so that a misspelt name is not taken for no filter.
  v.check(
    (query) =>
      Object.keys(query).every((name) => knownMetricKeys.has(name) || /^label\../.test(name)),
    "Only run, name, label.<name>, from, to and limit are known",
  ),
);
const knownMetricKeys: ReadonlySet<string> = new Set(["run", "name", "from", "to", "limit"]);

/** Answers one request of the control API that the guard let through. Never rejects. */
export async function serveControl(
  parts: ControlParts,
  route: ControlRoute,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await dispatch(parts, route, query, request, response);
  } catch (error) {
    drain(request);
    const { status, retryAfter, ...trouble } = troubleOf(error);
    answerError(response, status, trouble, retryAfter ? [["retry-after", retryAfter]] : []);
  }
}

async function dispatch(
  parts: ControlParts,
  route: ControlRoute,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { system, runs } = parts;
  switch (route.name) {
    case "status":
      return answerJson(response, 200, statusOf(parts));
    case "scenarios":
      return answerJson(response, 200, scenariosOf(parts));
    case "runs": {
      if (request.method === "POST") {
        const gone = new AbortController();
        response.once("close", () => gone.abort());
        const created = await runs.create(await readJson(request, createRunSchema), gone.signal);
        return answerJson(response, 201, created);
      }
      const by = parse(runsQuery, asObject(query));
      const body: RunsBody = { runs: runs.list(by), total: runs.count(by) };
      return answerJson(response, 200, body);
    }
    case "run": {
      const run = runs.get(route.runId);
      if (run === undefined) throw notFound("unknown-run", `There is no run ${route.runId}.`);
      return answerJson(response, 200, run);
    }
    case "observations": {
      const observation = await readJson(request, observationSchema);
      return answerJson(response, 200, runs.observe(route.runId, observation));
    }
    case "evidence": {
      const evidence = runs.evidence(route.runId);
      if (evidence === undefined) throw evidenceGone(route.runId);
      return answer(response, 200, [["content-type", "application/json; charset=utf-8"]], evidence);
    }
    case "insights": {
      const evidence = runs.evidence(route.runId);
      if (evidence === undefined) throw evidenceGone(route.runId);
      const insights = explain(JSON.parse(evidence) as Evidence);
      return answerJson(response, 200, { insights } satisfies InsightsBody);
    }
    case "run-metrics": {
      const evidence = runs.evidence(route.runId);
      if (evidence === undefined) throw evidenceGone(route.runId);
      return answerJson(response, 200, metricChanges(JSON.parse(evidence) as Evidence));
    }
    case "trace":
      return parts.fromStore(request, response, storeRoutes.trace(route.traceId));
    case "spans":
      return parts.fromStore(request, response, storeRoutes.spans(route.traceId, route.spanIds));
    case "pin":
      return parts.fromStore(request, response, storeRoutes.pin(route.runId), bodyLimits.control);
    case "red":
      return parts.fromStore(request, response, `${storeRoutes.red}?${checked(redQuery, query)}`);
    case "search":
      return parts.fromStore(
        request,
        response,
        `${storeRoutes.search}?${checked(searchQuery, query)}`,
      );
    case "tags":
      return parts.fromStore(request, response, storeRoutes.tags);
    case "tag-values":
      return parts.fromStore(request, response, storeRoutes.tagValues(route.tag));
    case "store":
      return parts.fromStore(request, response, storeRoutes.stats);
    case "logs":
      return parts.fromStore(request, response, `${storeRoutes.logs}?${checked(logsQuery, query)}`);
    case "sentry":
      return parts.fromStore(
        request,
        response,
        `${storeRoutes.sentry}?${checked(sentryQuery, query)}`,
      );
    case "metrics":
      return parts.fromStore(
        request,
        response,
        `${storeRoutes.metrics}?${checked(metricsQuery, query)}`,
      );
    case "events": {
      const { client, ...filter } = parse(eventsQuery, asObject(query));
      if (client !== undefined) response.once("close", parts.drivers.arrived(client));
      return parts.hub.serve(request, response, filter);
    }
    case "account":
      return answerJson(response, 200, parts.account);
    case "self-test": {
      const body: SelfTestBody = { selfTest: await readSelfTest(parts.dir) };
      return answerJson(response, 200, body);
    }
    case "service-log": {
      const { lines } = parse(logLinesQuery, asObject(query));
      const { id } = serviceOf(system, route.id);
      const body: ServiceLogBody = { lines: await system.log(id, lines) };
      return answerJson(response, 200, body);
    }
    case "service-action": {
      request.resume();
      const { id } = serviceOf(system, route.id);
      await system[route.action](id);
      const body: ServiceBody = { service: serviceOf(system, route.id) };
      return answerJson(response, 200, body);
    }
  }
  // A route that is forgotten above would leave its request without an answer.
  route satisfies never;
}

const statusOf = ({ system, about }: ControlParts): StatusBody => ({
  runtime: system.runtime,
  ...about,
  services: system.services(),
});

function scenariosOf({ catalogue, unfit, system, runs }: ControlParts): ScenariosBody {
  const services = system.services();
  const cards = catalogue.values().map((scenario) => cardOf(scenario, services, runs, unfit));
  return { scenarios: [...cards] };
}

function cardOf(
  scenario: Scenario,
  services: readonly ServiceStatus[],
  runs: Runs,
  unfit: Unfit,
): ScenarioCard {
  const { id, title, summary, story, params, modes, expect } = scenario;
  // As many again, since those of self-tests are left out.
  const lastRuns = runs
    .lastOf(id, 2 * lastRunsShown)
    .filter(({ selfTest }) => !selfTest)
    .slice(0, lastRunsShown);
  return {
    ...{ id, title, summary, story, params, modes, expect },
    requires: scenario.requires ?? [],
    stage: scenario.stage ?? false,
    expectTitles: expect.map(describeExpectation),
    disabled: disabledReason(scenario, services, unfit),
    lastRuns: lastRuns.map(({ runId, mode, state, verdict, startedAt, endedAt }) => ({
      ...{ runId, mode, state, verdict, startedAt, endedAt },
    })),
  };
}

function serviceOf(system: System, id: string): ServiceStatus {
  const row = system.services().find((service) => service.id === id);
  if (row === undefined) {
    const known = (serviceIds as readonly string[]).includes(id as ServiceId);
    throw notFound(
      "unknown-service",
      known ? `${id} does not run in this lab.` : `There is no service "${id}".`,
    );
  }
  return row;
}

/** A query whose values passed the schema, ready to be sent on. */
function checked(
  schema:
    | typeof logsQuery
    | typeof sentryQuery
    | typeof metricsQuery
    | typeof redQuery
    | typeof searchQuery,
  query: string,
): string {
  const values = Object.entries(parse(schema, asObject(query)));
  return new URLSearchParams(values.map(([name, value]) => [name, String(value)])).toString();
}

/** Null prototype: `__proto__` in a query is a name like any other, and refused as unknown. */
function asObject(query: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(query)) values[name] = value;
  return values;
}

const notFound = (code: string, message: string): LabError =>
  new LabError(code, message, {
    hint: "GET /lab/api/status and /lab/api/scenarios list what is here.",
  });

const evidenceGone = (runId: string): LabError =>
  new LabError("evidence-gone", `The evidence of run ${runId} is not kept.`, {
    hint: "The lab keeps that of the newest runs, as many as fit into 64 MiB; run the scenario again.",
  });

const statuses: Readonly<Record<string, number>> = {
  "bad-request": 400,
  "bad-json": 400,
  "bad-mode": 400,
  "bad-params": 400,
  "unknown-scenario": 404,
  "unknown-run": 404,
  "evidence-gone": 404,
  "unknown-service": 404,
  "body-too-large": 413,
  "too-many-runs": 429,
  "store-unreachable": 503,
};
const retryable = new Set([429, 503]);

/** An error as answer: what is not a `LabError` was not meant for anybody's eyes. */
function troubleOf(
  error: unknown,
): ErrorBody["error"] & { readonly status: number; readonly retryAfter?: string } {
  if (!(error instanceof LabError)) {
    return {
      status: 500,
      code: "internal",
      message: "The lab failed to answer this.",
      hint: "npm run lab -- doctor checks the usual causes.",
    };
  }
  const { code, message, hint } = error;
  const status = statuses[code] ?? 409;
  return { status, code, message, hint, ...(retryable.has(status) ? { retryAfter: "1" } : {}) };
}
