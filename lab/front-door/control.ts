import type { IncomingMessage, ServerResponse } from "node:http";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { AccountBody } from "../api/account.ts";
import type { InsightsBody } from "../api/insights.ts";
import { createRunSchema, observationSchema } from "../api/run-request.ts";
import type { RunsBody } from "../api/runs.ts";
import type { ScenariosBody } from "../api/scenarios.ts";
import type { SelfTestBody } from "../api/self-test.ts";
import type { ServiceBody, ServiceLogBody, ServiceStatus, StatusBody } from "../api/services.ts";
import { explain } from "../explain/explain.ts";
import type { Evidence } from "../judge/evidence.ts";
import type { Unfit } from "../runs/admission.ts";
import type { Drivers } from "../runs/drivers.ts";
import { metricChanges } from "../runs/metric-changes.ts";
import type { Runs } from "../runs/runs.ts";
import { serviceIds } from "../services/ids.ts";
import { readSelfTest } from "../state/self-test-file.ts";
import { storeRoutes } from "../store/contract.ts";
import type { System } from "../system.ts";
import { answer, answerError, answerJson, drain, type HeaderPairs } from "./answer.ts";
import { evidenceGone, notFound, troubleOf } from "./control-errors.ts";
import { eventsQuery, logLinesQuery, readQuery, runsQuery, storeQuery } from "./control-queries.ts";
import type { EventHub } from "./events.ts";
import { bodyLimits } from "./guard.ts";
import { readJson } from "./json-body.ts";
import type { ControlRoute } from "./routing.ts";
import { scenarioCard } from "./scenario-card.ts";
import type { Upstreams } from "./upstreams.ts";

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
  readonly fromStore: Upstreams["store"];
}

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
      const by = readQuery(runsQuery, query);
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
      const json: HeaderPairs = [["content-type", "application/json; charset=utf-8"]];
      return answer(response, 200, json, evidenceOf(runs, route.runId));
    }
    case "insights": {
      const insights = explain(readEvidence(runs, route.runId));
      return answerJson(response, 200, { insights } satisfies InsightsBody);
    }
    case "run-metrics": {
      return answerJson(response, 200, metricChanges(readEvidence(runs, route.runId)));
    }
    case "trace":
      return parts.fromStore(request, response, storeRoutes.trace(route.traceId));
    case "spans":
      return parts.fromStore(request, response, storeRoutes.spans(route.traceId, route.spanIds));
    case "pin":
      return parts.fromStore(request, response, storeRoutes.pin(route.runId), bodyLimits.control);
    case "tags":
      return parts.fromStore(request, response, `${storeRoutes.tags}?${storeQuery("tags", query)}`);
    case "tag-values":
      return parts.fromStore(
        request,
        response,
        `${storeRoutes.tagValues(route.tag)}?${storeQuery("tags", query)}`,
      );
    case "store":
      return parts.fromStore(request, response, storeRoutes.stats);
    case "red":
    case "search":
    case "logs":
    case "sentry":
    case "metrics": {
      const path = `${storeRoutes[route.name]}?${storeQuery(route.name, query)}`;
      return parts.fromStore(request, response, path);
    }
    case "events": {
      const { client, ...filter } = readQuery(eventsQuery, query);
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
      const { lines } = readQuery(logLinesQuery, query);
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
  const cards = catalogue.values().map((scenario) => scenarioCard(scenario, services, runs, unfit));
  return { scenarios: [...cards] };
}

/** JSON of an `Evidence`. */
function evidenceOf(runs: Runs, runId: string): string {
  const evidence = runs.evidence(runId);
  if (evidence === undefined) throw evidenceGone(runId);
  return evidence;
}

const readEvidence = (runs: Runs, runId: string): Evidence => JSON.parse(evidenceOf(runs, runId));

function serviceOf(system: System, id: string): ServiceStatus {
  const row = system.services().find((service) => service.id === id);
  if (row === undefined) {
    throw notFound(
      "unknown-service",
      serviceIds.some((known) => known === id)
        ? `${id} does not run in this lab.`
        : `There is no service "${id}".`,
    );
  }
  return row;
}
