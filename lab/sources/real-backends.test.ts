import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { askedServices } from "#lab/providers/asked-for.ts";
import { collector } from "#lab/services/collector.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import { loki } from "#lab/services/loki.ts";
import { store } from "#lab/services/store.ts";
import { tempo } from "#lab/services/tempo.ts";
import { logs, newSpanId, newTraceId, span, text, traces } from "#lab/store/testing/payload.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { superviseInTest } from "#lab/supervisor/testing/supervise.ts";
import { freePort } from "#lab/testing/free-port.ts";
import { logsOfTrace, openLokiSource } from "./loki.ts";
import { openStoreSource } from "./store.ts";
import { openTempoSource } from "./tempo.ts";

vi.setConfig({ testTimeout: 90_000 });

const env = { ...process.env, LAB_REAL: askedServices.join(",") };
const missing = async (services: readonly ServiceDescriptor[]): Promise<string | undefined> => {
  for (const service of services) {
    const found = await findProgram(service, env).catch((error: Error) => error);
    if (found instanceof Error) return found.message;
  }
  return undefined;
};

/** Ids differ with every call; times are those of now, since backends refuse what is old. */
function sample() {
  const traceId = newTraceId().replace(/^aa/, "00");
  const runId = `run${newSpanId()}`;
  const now = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano: String(now - 5_000_000n), endTimeUnixNano: String(now) };
  const root = span({ traceId, kind: 1, name: "scenario.run", ...times });
  const child = span({
    ...{ traceId, ...times, parentSpanId: root.spanId, kind: 3, name: "SELECT" },
    attributes: [text("lab.run.id", runId), text("http.request.header.authorization", "Bearer x")],
    status: { code: 2, message: "boom" },
    links: [{ traceId: newTraceId(), spanId: newSpanId() }],
  });
  const line = {
    ...{ timeUnixNano: String(now), severityNumber: 13, severityText: "warn" },
    ...{ body: { stringValue: "it went wrong" }, traceId, spanId: child.spanId },
  };
  return { traceId, runId, traces: traces([root, child]), logs: logs([line]) };
}

async function send(base: string, path: string, body: object): Promise<void> {
  const answer = await fetch(new URL(path, base), {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  expect(answer.status).toBe(200);
}

/** Asks until there is something; tells how long that took, in milliseconds. */
async function patiently<T>(ask: () => Promise<T | undefined>): Promise<readonly [T, number]> {
  const since = performance.now();
  for (;;) {
    const found = await ask();
    const took = performance.now() - since;
    if (found !== undefined) return [found, took];
    if (took > 20_000) throw new Error("nothing came in 20 s");
    await delay(20);
  }
}
const some = <T>(list: readonly T[]): readonly T[] | undefined =>
  list.length > 0 ? list : undefined;

/** What a trace says, whatever the order and the numbers that say nothing. */
const told = ({ resourceSpans }: OtlpTrace): unknown =>
  resourceSpans
    .flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map((one) => ({ one, resource }))),
    )
    .map(({ one, resource }) => ({
      ...{ id: one.spanId, trace: one.traceId, parent: one.parentSpanId ?? "", name: one.name },
      ...{ kind: one.kind, start: one.startTimeUnixNano, end: one.endTimeUnixNano },
      attributes: Object.fromEntries(
        (one.attributes ?? [])
          .filter(({ key }) => !key.startsWith("redaction."))
          .map(({ key, value }) => [key, value]),
      ),
      ...{ status: one.status?.code ?? 0, message: one.status?.message ?? "" },
      links: (one.links ?? []).map(({ traceId, spanId }) => `${traceId} ${spanId}`),
      service: resource?.attributes?.find(({ key }) => key === "service.name")?.value,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));

test("the store answers as Tempo does: a trace by id, and by a search for its run", async () => {
  // Of its own: the usual one may be somebody else's as soon as the store has stopped.
  const port = String(await freePort());
  const lab = await superviseInTest([store], { env: { ...process.env, LAB_STORE_PORT: port } });
  await lab.ready();
  const base = lab.url("store") ?? "";
  const sent = sample();
  await send(base, "/v1/traces", sent.traces);
  const source = openTempoSource(() => base);
  const own = openStoreSource(() => base);
  const trace = await source.trace(sent.traceId);
  expect(told(trace as OtlpTrace)).toEqual(told((await own.trace(sent.traceId)) as OtlpTrace));
  expect(told(trace as OtlpTrace)).toEqual(told(sent.traces));
  expect(await source.tracesOf(sent.runId)).toEqual([sent.traceId]);
  expect(await source.trace(newTraceId())).toBeUndefined();
  own.close();
  await lab.stop("store");
  await expect(source.trace(sent.traceId)).rejects.toMatchObject({ code: "tempo-unreachable" });
});

test("real Collector and Tempo: redacted on its way, by id at once, by a search within a second", async (context) => {
  const reason = await missing([collector, tempo]);
  if (reason !== undefined) return context.skip(reason);
  const lab = await superviseInTest([store, collector, tempo], {
    env: { ...env, LAB_REAL: "collector,tempo" },
  });
  await lab.ready();
  const own = openStoreSource(() => lab.url("store"));
  const source = openTempoSource(() => lab.url("tempo"));
  const rounds: { readonly byId: number; readonly bySearch: number }[] = [];
  for (let round = 0; round < 5; round++) {
    const sent = sample();
    await send(lab.url("collector") ?? "", "/v1/traces", sent.traces);
    const [trace, byId] = await patiently(() => source.trace(sent.traceId));
    const [found, bySearch] = await patiently(async () => some(await source.tracesOf(sent.runId)));
    expect(found).toEqual([sent.traceId]);
    const [kept] = await patiently(() => own.trace(sent.traceId));
    expect(told(trace)).toEqual(told(kept));
    expect(JSON.stringify(kept)).not.toContain("Bearer x");
    rounds.push({ byId: Math.round(byId), bySearch: Math.round(byId + bySearch) });
  }
  own.close();
  console.log("Tempo, ms until visible", rounds);
  // The first connection, and a busy machine, may take one of them longer.
  const late = rounds.filter(({ byId, bySearch }) => byId > 250 || bySearch > 1_000);
  expect(late.length, JSON.stringify(rounds)).toBeLessThanOrEqual(1);
});

test("real Collector and Loki: a log line is found by the trace that it is of", async (context) => {
  const reason = await missing([collector, loki]);
  if (reason !== undefined) return context.skip(reason);
  const lab = await superviseInTest([store, collector, loki], {
    env: { ...env, LAB_REAL: "collector,loki" },
  });
  await lab.ready();
  const sent = sample();
  await send(lab.url("collector") ?? "", "/v1/logs", sent.logs);
  const source = openLokiSource(() => lab.url("loki"));
  const [lines, took] = await patiently(async () =>
    some(await source.logs(logsOfTrace(sent.traceId))),
  );
  console.log(`Loki, ms until visible: ${Math.round(took)}`);
  expect(lines).toMatchObject([
    { body: "it went wrong", service: "lab-server", severity: "warn", traceId: sent.traceId },
  ]);
  const own = openStoreSource(() => lab.url("store"));
  const kept = await own.logs({ trace: sent.traceId });
  own.close();
  expect(kept.map(({ body, spanId }) => [body, spanId])).toEqual(
    lines.map(({ body, spanId }) => [body, spanId]),
  );
});
