import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { defineScenario } from "../define.ts";
import { flag, integer } from "../param-spec.ts";
import type { RunEvidence } from "../run-evidence.ts";
import { allFulfilled } from "../settled.ts";

const backoffMs = 2;

/** Calls that reached the warehouse, as its own spans tell. */
const arrived = ({ spans }: RunEvidence): number =>
  spans.filter(
    (span) =>
      span.kind === "server" &&
      spans.some(
        (parent) =>
          parent.spanId === span.parentSpanId && parent.kind === "client" && parent.name === "GET",
      ),
  ).length;

export default defineScenario({
  id: "run.retry-storm",
  title: "Retries multiply",
  summary: "A warehouse service fails; each layer tries again, and a few calls become a flood.",
  story: `The warehouse service is in trouble and answers 503. The HTTP client tries three times. The code around it tries three times as well, since nobody knows of the other. So each call of a customer becomes nine calls to a service that was overloaded to begin with, and it cannot recover: the retries keep it down. The number is always the same, calls × attempts to the power of the layers.

The trace shows a tree of equal red calls, and \`http.request.resend_count\` on each but the first. The metric of outgoing calls rises while the number of requests does not. In Sentry there is one event, for the answer that failed in the end: error counts tell nothing of the storm.

Teams retry in one place only, wait longer each time and with jitter, and give retries a budget. The fix mode has a circuit breaker: after a few failures in a row it opens, and further calls are refused at once, as spans \`circuit open\` without a child. The warehouse gets its rest.`,
  params: {
    calls: integer({
      label: "Calls",
      default: 3,
      min: 2,
      max: 50,
      help: "A single call that is tried once would leave a breaker nothing to refuse.",
    }),
    layers: integer({ label: "Layers that retry", default: 2, min: 1, max: 3 }),
    attempts: integer({
      label: "Attempts per layer",
      default: 3,
      min: 1,
      max: 5,
      help: "With one attempt nobody tries again: what is left without retries.",
    }),
    openAfter: integer({
      label: "Breaker opens after",
      default: 2,
      min: 1,
      max: 20,
      unit: "failures",
    }),
    jitter: flag({ label: "Jitter", default: true }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["metrics"],
  timeoutMs: 120_000,
  async serve({ mode, params, workload, log }) {
    const { calls, layers, attempts, jitter } = params;
    const openAfter = Math.min(params.openAfter, calls * attempts ** layers - 1);
    const warehouse = createServer((_, response) => {
      response.writeHead(mode === "control" ? 200 : 503, { "content-type": "application/json" });
      response.end(JSON.stringify({ stock: mode === "control" ? 7 : null }));
    });
    await new Promise<void>((listening) => warehouse.listen(0, "127.0.0.1", listening));
    try {
      const { port } = warehouse.address() as AddressInfo;
      const outbound = workload.outbound({
        ...{ peer: "warehouse", layers, attempts, backoffMs, jitter },
        ...(mode === "fix" ? { openAfter } : {}),
      });
      const outcomes = [];
      for (let call = 0; call < calls; call++) {
        outcomes.push(
          ...(await Promise.allSettled([outbound.get(`http://127.0.0.1:${port}/stock`)])),
        );
      }
      const failed = outcomes.filter(({ status }) => status === "rejected");
      log.info({ calls, failed: failed.length }, "stock asked for");
      allFulfilled(outcomes);
      return { calls };
    } finally {
      warehouse.closeAllConnections();
      await new Promise((closed) => warehouse.close(closed));
    }
  },
  expect: [
    {
      signal: "check",
      title: "the warehouse is called calls × attempts^layers times",
      reads: ["traces"],
      check(evidence) {
        const { calls, attempts, layers } = evidence.params;
        const expected = Number(calls) * Number(attempts) ** Number(layers);
        const seen = arrived(evidence);
        return { ok: seen === expected, seen: `${seen} calls arrived, ${expected} expected` };
      },
      why: "Layers multiply: this is the storm, counted where it arrives.",
      hint: "Fewer mean that spans were dropped or a layer did not retry.",
    },
    {
      signal: "check",
      title: "spans of the client, spans of the warehouse and the metric tell the same number",
      reads: ["traces", "metrics"],
      check(evidence) {
        const sent = evidence.spans.filter(
          ({ kind, name, attributes }) =>
            kind === "client" && name === "GET" && attributes["http.response.status_code"] === 503,
        ).length;
        const counted =
          evidence.metric("lab_outbound_calls_total", { peer: "warehouse", outcome: "failed" })
            ?.change ?? 0;
        const here = arrived(evidence);
        return {
          ok: sent > 0 && sent === here && sent === counted,
          seen: `${sent} sent, ${here} arrived, ${counted} counted`,
        };
      },
      modes: ["fault", "fix"],
      why: "Both ends of each call are in the trace, and the counter saw the same.",
      hint: "The one that tells fewer is the one that loses data.",
    },
    {
      signal: "check",
      title: "all calls but the first of each customer's call carry http.request.resend_count",
      reads: ["traces"],
      check({ spans, params }) {
        const sent = spans.filter(({ kind, name }) => kind === "client" && name === "GET");
        const first = sent.filter(({ attributes }) => !("http.request.resend_count" in attributes));
        return {
          ok: sent.length > 0 && first.length === Number(params.calls),
          seen: `${sent.length} calls, ${first.length} of them without a resend count`,
        };
      },
      why: "The attribute tells a retry from a call that somebody wanted.",
      hint: "It is set where the client's span starts, from the context of the retry.",
    },
    {
      signal: "span",
      select: {
        name: "call warehouse",
        service: "lab-server",
        status: "error",
        attributes: {
          "lab.retry.layer": "${params.layers}",
          "lab.retry.attempt": "${params.attempts}",
        },
        childOf: { name: "scenario run.retry-storm" },
      },
      count: "${params.calls}",
      why: "The outermost layer of each call used up its last attempt.",
      hint: "If attempts are missing, an error was taken for one that must not be tried again.",
    },
    {
      signal: "span",
      select: {
        name: "GET",
        kind: "client",
        status: "error",
        attributes: { "http.response.status_code": 503, "lab.run.id": { exists: true } },
        childOf: { name: "call warehouse", attributes: { "lab.retry.layer": 1 } },
      },
      count: { gte: 1 },
      modes: ["fault", "fix"],
      why: "Each call hangs below the attempt that made it.",
      hint: "Calls beside their attempt have lost the context between the layers.",
    },
    {
      signal: "span",
      select: { name: "circuit open" },
      count: 0,
      modes: ["fault", "control"],
      why: "Nothing holds the storm back, or nothing has to.",
      hint: "A breaker that opens without need is a failure of its own.",
    },
    {
      signal: "check",
      title: "the warehouse is called no more often than the breaker allows",
      reads: ["traces"],
      check(evidence) {
        const seen = arrived(evidence);
        const allowed = Number(evidence.params.openAfter);
        return {
          ok: seen > 0 && seen <= allowed,
          seen: `${seen} calls arrived, ${allowed} allowed`,
        };
      },
      modes: ["fix"],
      why: "After so many failures in a row the warehouse is left alone.",
      hint: "More mean that calls pass a breaker of their own each.",
    },
    {
      signal: "span",
      select: { name: "circuit open", kind: "internal", childOf: { name: "call warehouse" } },
      count: { gte: 1 },
      modes: ["fix"],
      why: "A call that was refused is in the trace as what it is.",
      hint: "Without such spans a refused call looks like one that never happened.",
    },
    {
      signal: "span",
      select: { descendantOf: { name: "circuit open" } },
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing is sent while the circuit is open.",
      hint: "A child means that the breaker counts calls and makes them all the same.",
    },
    {
      signal: "metric",
      name: "lab_circuit_transitions_total",
      labels: { peer: "warehouse", state: "open" },
      delta: 1,
      modes: ["fix"],
      why: "The breaker opened once, and a dashboard can tell when.",
      hint: "More mean that there is more than one breaker for the same service.",
    },
    {
      signal: "metric",
      name: "lab_circuit_transitions_total",
      labels: { peer: "warehouse" },
      delta: 0,
      modes: ["fault", "control"],
      why: "Without a breaker, or without failures, no circuit opens.",
      hint: "Another run called the warehouse meanwhile.",
    },
    {
      signal: "check",
      title: "the metric of outgoing calls rises by all of them, not by what was asked for",
      reads: ["metrics"],
      check({ metric, params }) {
        const { calls, attempts, layers } = params;
        const failed = { peer: "warehouse", outcome: "failed" };
        const change = metric("lab_outbound_calls_total", failed)?.change ?? 0;
        return {
          ok: change === Number(calls) * Number(attempts) ** Number(layers),
          seen: `${change} failed calls for ${calls} that were asked for`,
        };
      },
      why: "Outgoing calls rise above what was asked for: the one metric that shows a storm.",
      hint: "A counter of requests shows nothing: there are as few as ever.",
    },
    {
      signal: "metric",
      name: "lab_outbound_calls_total",
      labels: { peer: "warehouse", outcome: "ok" },
      delta: "${params.calls}",
      modes: ["control"],
      why: "With a warehouse that works, each call is made once.",
      hint: "More mean that something is tried again without need.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      handled: true,
      mechanism: "generic",
      exception: { type: "AppError" },
      count: 1,
      sameTrace: true,
      modes: ["fault", "fix"],
      why: "One request failed, so there is one event, whatever went on below it.",
      hint: "One event per attempt would be a storm of its own.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "error",
      body: "request failed",
      count: 1,
      correlated: true,
      modes: ["fault", "fix"],
      why: "The failed request is one line.",
      hint: "It is written where the app hears of the error.",
    },
    {
      signal: "answer",
      status: 503,
      modes: ["fault", "fix"],
      why: "Without the warehouse the question cannot be answered, retries or not; with the breaker the no comes sooner.",
      hint: "A 200 means that a call got through after all.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["control"],
      why: "The same calls to a service that works are answered.",
      hint: "Open the trace: something else failed.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing failed, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control", "fix"],
      why: "A storm of calls harms the one who is called.",
      hint: "Look at the server's log for what ended it.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, however many calls it makes.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
