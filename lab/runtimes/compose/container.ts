import type { IncomingMessage } from "node:http";
import { constants } from "node:os";
import { PassThrough } from "node:stream";
import * as v from "valibot";
import type { ServiceStatus } from "#lab/api/services.ts";
import type { Exit, Running } from "#lab/supervisor/running.ts";
import type { Engine } from "./engine.ts";
import type { EngineEvents } from "./engine-events.ts";
import { openLogFrames } from "./log-frames.ts";

type Facts = NonNullable<ServiceStatus["container"]>;

const memoryEveryMs = 5_000;
/** Smaller changes are not worth a message to every page. */
const memoryStep = 1024 * 1024;

const inspectionSchema = v.object({
  Name: v.string(),
  State: v.object({
    Running: v.boolean(),
    OOMKilled: v.boolean(),
    ExitCode: v.number(),
    Health: v.optional(
      v.object({
        Status: v.string(),
        Log: v.optional(v.nullable(v.array(v.object({ Output: v.string() })))),
      }),
    ),
  }),
  HostConfig: v.object({ Memory: v.number() }),
});
type Inspection = v.InferOutput<typeof inspectionSchema>;

/**
 * A container that was just started, as the supervisor sees a running service: what it writes, its
 * end, signals, standing still, health and memory.
 * @param endedBefore when it ended last; undefined for one that was just made. Only of a new one the
 *   health is waited for: one that was healthy before is asked by the lab's probe alone, which need
 *   not wait for the next turn of the check.
 */
export async function watchContainer(
  id: string,
  image: { readonly name: string; readonly digest: string | null },
  engine: Engine,
  events: EngineEvents,
  endedBefore: string | undefined,
): Promise<Running> {
  const path = `/containers/${id}`;
  const over = new AbortController();
  const inspect = async (): Promise<Inspection | undefined> => {
    const seen = await engine.ask<unknown>("GET", `${path}/json`);
    return seen === undefined ? undefined : v.parse(inspectionSchema, seen);
  };
  const first = await inspect();
  const listeners = new Set<() => void>();
  let paused = false;
  let facts: Facts = {
    name: (first?.Name ?? id).replace(/^\//, ""),
    image: image.name,
    digest: image.digest,
    health: healthOf(first),
    memoryBytes: null,
    memoryLimitBytes: first?.HostConfig.Memory || null,
  };
  const change = (part: Partial<Facts>): void => {
    facts = { ...facts, ...part };
    for (const listener of listeners) listener();
  };

  const output = new PassThrough();
  const closed = followLog(path, endedBefore, engine, output, over.signal);
  const exited = awaitEnd(path, engine, inspect, output).finally(() => over.abort());

  const post = (action: string): Promise<unknown> =>
    engine.ask("POST", `${path}/${action}`).catch(() => {});
  const goOn = async (): Promise<void> => {
    if (!paused) return;
    paused = false;
    await post("unpause");
  };

  events.on(id, (action) => {
    const health = /^health_status: (starting|healthy|unhealthy)$/.exec(action)?.[1];
    if (health !== undefined) change({ health: health as Facts["health"] });
  });
  over.signal.addEventListener("abort", () => events.off(id), { once: true });
  watchMemory(path, engine, over.signal, (memoryBytes) => {
    if (Math.abs(memoryBytes - (facts.memoryBytes ?? -memoryStep)) >= memoryStep)
      change({ memoryBytes });
  });

  return {
    pid: undefined,
    output: [output],
    exited,
    closed,
    signal: (signal) => {
      // Its processes hear of nothing while it stands still.
      void goOn().then(() => {
        if (signal !== "SIGCONT" && !over.signal.aborted) return post(`kill?signal=${signal}`);
        return undefined;
      });
    },
    freeze: async () => {
      await engine.ask("POST", `${path}/pause`);
      paused = true;
      return () => void goOn();
    },
    healthy: async (signal, onSight) => {
      const look = async (): Promise<boolean> => {
        const seen = await inspect();
        const health = healthOf(seen);
        if (health !== facts.health) change({ health });
        if (health === null || health === "healthy") return true;
        const said = seen?.State.Health?.Log?.at(-1)?.Output.trim();
        onSight(`its health check is ${health}${said ? `: ${said}` : ""}`);
        return false;
      };
      while (endedBefore === undefined && !signal.aborted && !over.signal.aborted) {
        if (await look()) return;
        await events.next(id, AbortSignal.any([signal, over.signal]));
      }
    },
    container: { facts: () => facts, onChange: (listener) => listeners.add(listener) },
  };
}

function healthOf(seen: Inspection | undefined): Facts["health"] {
  switch (seen?.State.Health?.Status) {
    case "starting":
    case "healthy":
    case "unhealthy":
      return seen.State.Health.Status as Facts["health"];
    default:
      return null;
  }
}

/** Resolves when no more of its log will come. */
async function followLog(
  path: string,
  endedBefore: string | undefined,
  engine: Engine,
  output: PassThrough,
  over: AbortSignal,
): Promise<void> {
  // A container keeps the log of its earlier runs. Its first lines may be older than its start, which
  // the engine notes only once it runs.
  const since = endedBefore === undefined ? "0" : seconds(endedBefore);
  const query = `follow=1&stdout=1&stderr=1&since=${since}`;
  try {
    const stream = await engine.stream(`${path}/logs?${query}`, new AbortController().signal);
    await pour(stream, output, over);
  } catch (error) {
    output.write(`[lab] its log cannot be read: ${String(error)}\n`);
  } finally {
    output.end();
  }
}

/** The log of an ended container ends by itself; a broken engine may never say so. */
function pour(stream: IncomingMessage, output: PassThrough, over: AbortSignal): Promise<void> {
  const read = openLogFrames((bytes) => output.write(bytes));
  return new Promise((resolve) => {
    stream.on("data", read);
    stream.on("close", resolve);
    stream.on("error", () => resolve());
    const giveUp = () => setTimeout(() => stream.destroy(), 1_000).unref();
    over.addEventListener("abort", giveUp, { once: true });
  });
}

async function awaitEnd(
  path: string,
  engine: Engine,
  inspect: () => Promise<Inspection | undefined>,
  output: PassThrough,
): Promise<Exit> {
  try {
    // Answers once it does not run, so also when it ended before it was asked.
    await engine.ask("POST", `${path}/wait?condition=not-running`);
    const state = (await inspect())?.State;
    if (state?.OOMKilled) output.write("[lab] it used more memory than its limit and was ended\n");
    return exitOf(state?.ExitCode ?? 137);
  } catch (error) {
    return {
      kind: "not-spawned",
      error: error instanceof Error ? error : new Error(String(error)),
    };
  }
}

/** A container ends as its first process does; 128 + n stands for signal n. */
function exitOf(code: number): Exit {
  const found = Object.entries(constants.signals).find(([, number]) => number === code - 128);
  return found === undefined
    ? { kind: "code", code }
    : { kind: "signal", signal: found[0] as NodeJS.Signals };
}

function watchMemory(
  path: string,
  engine: Engine,
  over: AbortSignal,
  tell: (bytes: number) => void,
): void {
  const look = async (): Promise<void> => {
    const stats = await engine
      .ask<unknown>("GET", `${path}/stats?stream=false&one-shot=true`, over)
      .catch(() => undefined);
    const used = usedMemory(stats);
    if (used !== undefined && !over.aborted) tell(used);
  };
  void look();
  const timer = setInterval(() => void look(), memoryEveryMs);
  timer.unref();
  over.addEventListener("abort", () => clearInterval(timer), { once: true });
}

const statsSchema = v.object({
  memory_stats: v.object({
    usage: v.number(),
    stats: v.optional(v.record(v.string(), v.number())),
  }),
});

/** Without the file cache, as `docker stats` counts: its name depends on the version of cgroups. */
export function usedMemory(stats: unknown): number | undefined {
  const read = v.safeParse(statsSchema, stats);
  if (!read.success) return undefined;
  const { usage, stats: parts = {} } = read.output.memory_stats;
  const cache = parts.total_inactive_file ?? parts.inactive_file ?? 0;
  return cache < usage ? usage - cache : usage;
}

/** RFC 3339 with nanoseconds → seconds with nanoseconds, which a Date would lose. */
function seconds(time: string): string {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? "0";
  return `${Math.floor(Date.parse(time) / 1000)}.${fraction.padEnd(9, "0").slice(0, 9)}`;
}
