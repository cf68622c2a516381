import { loadCatalogue } from "#scenarios/catalogue.ts";
import type { OtlpSpan, OtlpTrace } from "../api/otlp.ts";
import { routes } from "../api/routes.ts";
import { waitForOthersMs } from "../api/run-request.ts";
import { performRun } from "../cli/perform-run.ts";
import type { Benchmark, Figure } from "./benchmark.ts";
import { type LabUnderTest, startLab } from "./lab-under-test.ts";
import { spread } from "./statistics.ts";

const id = "cache.down-fallback";
const ways = ["refused", "hangs", "paused"] as const;
const rounds = 5;

/** Milliseconds of one run. */
interface Cost {
  /** Of the command that found out, and of the request that it was part of. */
  readonly command: number;
  readonly request: number;
  /** Of each request while the circuit was open. */
  readonly others: readonly number[];
}

/** What a Valkey that is away costs the first request, and those after it, by the spans of the app. */
export const cacheDownBenchmark: Benchmark = {
  id: "cache-down",
  title: "Valkey away: what the request that finds out pays, and the others",
  run: async () => {
    await using lab = await startLab();
    const figures: Figure[] = [];
    for (const how of ways) {
      const costs: Cost[] = [];
      for (let round = 0; round < rounds; round += 1) costs.push(await costOf(lab, how));
      figures.push(...figuresOf(how, costs));
    }
    return figures;
  },
};

function figuresOf(how: string, costs: readonly Cost[]): readonly Figure[] {
  return [
    spread(
      `${how}: the command that finds out`,
      costs.map(({ command }) => command),
      "≤ 300 ms",
    ),
    spread(
      `${how}: the request it is part of`,
      costs.map(({ request }) => request),
    ),
    spread(
      `${how}: a request with the circuit open`,
      costs.flatMap(({ others }) => others),
    ),
  ];
}

async function costOf(lab: LabUnderTest, how: (typeof ways)[number]): Promise<Cost> {
  const scenario = (await loadCatalogue()).get(id);
  if (scenario === undefined) throw new Error(`there is no ${id}`);
  const order = {
    ...{ scenario: id, mode: "fault" as const, waitMs: waitForOthersMs },
    params: { how, requests: 5, outageMs: 1000 },
  };
  const address = { origin: lab.origin, token: undefined };
  const { traceIds } = await performRun(address, order, scenario, {
    ...{ env: process.env, say: console.error },
  });
  const response = await fetch(lab.origin + routes.trace(traceIds[0] ?? ""));
  const { resourceSpans } = (await response.json()) as OtlpTrace;
  const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans));
  return readCost(spans);
}

function readCost(spans: readonly OtlpSpan[]): Cost {
  const failed = spans.find(({ name, status }) => name === "GET" && status?.code === 2);
  const degraded = spans
    .filter(({ name, kind }) => name === "GET /api/products" && kind === 2)
    .filter(({ attributes }) => attributes?.some(({ key }) => key === "lab.degraded"))
    .toSorted((a, b) => (BigInt(a.startTimeUnixNano) < BigInt(b.startTimeUnixNano) ? -1 : 1));
  const [first, ...others] = degraded;
  if (failed === undefined || first === undefined || others.length === 0)
    throw new Error("the trace has no outage in it");
  return {
    command: durationOf(failed),
    request: durationOf(first),
    others: others.map(durationOf),
  };
}

const durationOf = ({ startTimeUnixNano, endTimeUnixNano }: OtlpSpan): number =>
  Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
