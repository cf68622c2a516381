import { bodyParser } from "@koa/bodyparser";
import type Router from "@koa/router";
import { context, trace } from "@opentelemetry/api";
import type { Context } from "koa";
import type { Sql } from "postgres";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { BackendKiller, Scenario, ServeContext } from "#scenarios/define.ts";
import { attribute, header, serveSpanName } from "#scenarios/names.ts";
import { parseParams } from "#scenarios/params.ts";
import { type Ticket, verifyTicket } from "#scenarios/ticket.ts";
import type { Pool, PoolOptions } from "../database/pool.ts";
import type { Edges } from "../edges.ts";
import { AppError } from "../errors.ts";
import { log } from "../log.ts";
import { isAbandonedWork, presenceOf } from "../outbound/client-left.ts";
import { reportHandled } from "../report.ts";
import { breakTelemetryOf } from "../telemetry/live-mutants.ts";
import { runAttributes, withRunBaggage } from "../telemetry/run-baggage.ts";
import { Sentry } from "../telemetry/sentry-sdk.ts";
import { serverSpans } from "../telemetry/server-span.ts";
import { recordFailure } from "../telemetry/span-outcome.ts";
import { spareCanaries } from "../telemetry/spared-canaries.ts";
import { usedTickets } from "./used-tickets.ts";
import { openWorkload } from "./workload.ts";

const tracer = trace.getTracer("lab-server");
const defaultTimeoutMs = 10_000;

/** What running a scenario needs of the app. */
export interface ScenarioHost {
  readonly catalogue: Catalogue;
  readonly ticketKey: string;
  readonly sql: Sql;
  readonly backends: BackendKiller;
  readonly http: ServeContext<unknown>["http"];
  readonly edges: Edges;
  readonly flushStatistics: Pool["flushStatistics"];
  readonly openPool: (options: PoolOptions) => Pool;
}

/** `POST /api/scenarios/:id`: runs a scenario's `serve` for whoever holds a ticket of the lab. */
export function scenarioRoutes(router: Router, host: ScenarioHost): void {
  const used = usedTickets();
  router.post("/api/scenarios/:id", async function runScenario(ctx) {
    // Called here and not as a layer of its own: that would be one more span per request.
    await limitBody(ctx, () => Promise.resolve());
    const scenario = host.catalogue.get(ctx.params.id ?? "");
    if (scenario === undefined) {
      throw new AppError(404, "unknown_scenario", "There is no such scenario.", {
        hint: "GET /lab/api/scenarios lists them.",
      });
    }
    const ticket = admit(ctx, scenario, host.ticketKey, used);
    if (ticket.mode === "control") {
      spareCanaries(ticket.runId);
    }
    if (ticket.mutant !== undefined) {
      breakTelemetryOf(ticket.runId, ticket.mutant, ticket.expiresAt);
    }
    const run = withRunBaggage(context.active(), ticket);
    serverSpans.of(ctx.req)?.setAttributes(runAttributes(run));
    Sentry.getIsolationScope().setTags({
      [attribute.runId]: ticket.runId,
      [attribute.scenarioId]: ticket.scenario,
      [attribute.scenarioMode]: ticket.mode,
    });
    // Checks read the database's counters as soon as the run is over.
    const result = await context
      .with(run, () => serve(ctx, scenario, ticket, host))
      .finally(host.flushStatistics);
    ctx.body = { runId: ticket.runId, result: result ?? null };
  });
}

/** A run's parameters travel in its ticket; a body is read so that it cannot be endless. */
const limitBody = bodyParser({
  enableTypes: ["json"],
  jsonLimit: "16kb",
  onError(error) {
    const tooLarge = (error as { readonly status?: unknown }).status === 413;
    const hint = "The body may be empty: a run's parameters travel in its ticket.";
    // The parser's own message repeats the body.
    throw tooLarge
      ? new AppError(413, "body_too_large", "The body is larger than 16 kB.", { hint })
      : new AppError(400, "invalid_json", "The body is not valid JSON.", { hint });
  },
});

function admit(
  ctx: Context,
  scenario: Scenario,
  key: string,
  used: ReturnType<typeof usedTickets>,
): Ticket {
  const now = Date.now();
  const verified = verifyTicket(ctx.get(header.ticket), key, now);
  const hint = "POST /lab/api/runs gives a fresh ticket for one run.";
  if (!verified.ok) {
    throw new AppError(
      403,
      `ticket_${verified.reason}`,
      `The run's ticket is ${verified.reason}.`,
      {
        hint,
      },
    );
  }
  const { ticket } = verified;
  if (ticket.scenario !== scenario.id) {
    throw new AppError(403, "ticket_mismatch", "The ticket is for another scenario.", { hint });
  }
  if (!used.use(ticket.runId, ticket.expiresAt, now)) {
    throw new AppError(409, "ticket_used", "The ticket was used already.", { hint });
  }
  return ticket;
}

async function serve(
  ctx: Context,
  scenario: Scenario,
  ticket: Ticket,
  host: ScenarioHost,
): Promise<unknown> {
  const run = scenario.serve;
  if (run === undefined) {
    throw new AppError(409, "no_server_part", "This scenario happens in the browser only.", {
      hint: "Run it from the page.",
    });
  }
  const parsed = parseParams(scenario.params, ticket.params);
  if (!parsed.ok) {
    throw new AppError(400, "invalid_params", parsed.problems.join("; "), {
      hint: "The limits are part of the scenario's description.",
    });
  }
  const workload = openWorkload(host.openPool, host.sql, host.edges.openSmallCache);
  const signal = AbortSignal.any([
    presenceOf(ctx),
    AbortSignal.timeout(scenario.timeoutMs ?? defaultTimeoutMs),
  ]);
  const visitors: ReturnType<Edges["visitor"]>[] = [];
  const visitor = () => {
    const guest = host.edges.visitor();
    visitors.push(guest);
    return guest;
  };
  return tracer.startActiveSpan(serveSpanName(scenario.id), async (span) => {
    try {
      return await run({
        runId: ticket.runId,
        mode: ticket.mode,
        params: parsed.values,
        sql: host.sql,
        log,
        tracer,
        http: host.http,
        backends: host.backends,
        cache: host.edges.cache,
        objects: host.edges.objects,
        orderEvents: host.edges.orderEvents,
        visitor,
        workload: workload.offered,
        report: reportHandled,
        signal,
      });
    } catch (error) {
      // Nobody waits any more, and the work has ended for that: as it should.
      if (isAbandonedWork(signal, error)) throw error;
      recordFailure(span, error);
      throw error;
    } finally {
      span.end();
      await Promise.all([workload.close(), ...visitors.map((guest) => guest.leave())]);
    }
  });
}
