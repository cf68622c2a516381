import { setTimeout as pause } from "node:timers/promises";
import { context, SpanStatusCode, trace } from "@opentelemetry/api";
import { Counter } from "prom-client";
import type { Outbound, OutboundPolicy } from "#scenarios/edges/workload.ts";
import { attribute, metric } from "#scenarios/names.ts";
import { AppError } from "../errors.ts";
import { registry } from "../metrics.ts";
import { withResendCount } from "./resend.ts";

const tracer = trace.getTracer("lab-server/outbound");
const registers = [registry];
const calls = new Counter({
  name: metric.outboundCalls,
  help: "Calls to other services; `refused` ones were not made, since the circuit was open.",
  labelNames: ["peer", "outcome"],
  registers,
});
const transitions = new Counter({
  name: metric.circuitTransitions,
  help: "How often a circuit breaker changed to a state.",
  labelNames: ["peer", "state"],
  registers,
});

/** Calls a service under a policy. The breaker, when there is one, belongs to the returned object. */
export function openOutbound(policy: OutboundPolicy): Outbound {
  const { peer, layers, attempts, backoffMs, jitter, openAfter } = policy;
  let failuresInARow = 0;

  async function once(url: string, resends: number): Promise<string> {
    if (openAfter !== undefined && failuresInARow >= openAfter) {
      calls.inc({ peer, outcome: "refused" });
      tracer.startSpan("circuit open").end();
      throw new AppError(503, "circuit_open", `Calls to ${peer} are paused: it kept failing.`, {
        hint: "Try again in a moment.",
      });
    }
    try {
      const answer = await context.with(withResendCount(context.active(), resends), async () => {
        const response = await fetch(url);
        const text = await response.text();
        if (!response.ok) throw new Error(`${peer} answered ${response.status}`);
        return text;
      });
      failuresInARow = 0;
      calls.inc({ peer, outcome: "ok" });
      return answer;
    } catch (error) {
      failuresInARow += 1;
      calls.inc({ peer, outcome: "failed" });
      if (failuresInARow === openAfter) transitions.inc({ peer, state: "open" });
      throw new AppError(503, "upstream_failed", `${peer} did not answer as it should.`, {
        hint: "Try again in a moment.",
        cause: error,
      });
    }
  }

  return {
    get(url) {
      let sent = 0;
      async function layer(depth: number): Promise<string> {
        if (depth === 0) return once(url, sent++);
        for (let attempt = 1; ; attempt++) {
          try {
            return await tracer.startActiveSpan(
              `call ${peer}`,
              { attributes: { [attribute.retryAttempt]: attempt, [attribute.retryLayer]: depth } },
              (span) =>
                layer(depth - 1)
                  .catch((error: Error) => {
                    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
                    throw error;
                  })
                  .finally(() => span.end()),
            );
          } catch (error) {
            const isOpen = error instanceof AppError && error.code === "circuit_open";
            if (isOpen || attempt === attempts) throw error;
            await pause(jitter ? Math.random() * backoffMs : backoffMs);
          }
        }
      }
      return layer(layers);
    },
  };
}
