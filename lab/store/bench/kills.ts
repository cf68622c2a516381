import { once } from "node:events";
import { rmSync } from "node:fs";
import { encodeMessage } from "../otlp-encode.ts";
import { tracesRequest } from "../otlp-schema.ts";
import { openStore } from "../store.ts";
import { hex } from "./batches.ts";
import { report, tempDir } from "./measuring.ts";
import { startStore } from "./store-process.ts";

/** Ends a store that is being written to with SIGKILL, again and again, and looks for what it had acknowledged. */
export async function killRounds(kills: number): Promise<void> {
  let spanNumber = 0;
  const dir = tempDir();
  const acknowledged: string[] = [];
  for (let round = 0; round < kills; round++) {
    const { child, port } = await startStore(dir);
    const killAt = acknowledged.length + 1 + Math.floor(Math.random() * 20);
    let isKilled = false;
    const send = async (): Promise<void> => {
      while (!isKilled) {
        const traceId = `bb${hex(++spanNumber, 30)}`;
        const span = { traceId, spanId: hex(spanNumber, 16), name: "kill" };
        const body = encodeMessage(
          { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] },
          tracesRequest,
        );
        const headers = { "content-type": "application/x-protobuf" };
        const answer = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
          method: "POST",
          body,
          headers,
        });
        if (answer.status === 200) acknowledged.push(traceId);
        if (acknowledged.length < killAt) continue;
        isKilled = true;
        child.kill("SIGKILL");
      }
    };
    const exited = once(child, "exit");
    await Promise.allSettled([send(), send(), send(), send()]);
    await exited;
  }
  const store = openStore({ dir });
  const lost = acknowledged.filter((traceId) => store.index.traces.findHex(traceId) === 0).length;
  report(`acknowledged and lost in ${kills} kill -9 (must 0)`, `${lost} of ${acknowledged.length}`);
  store.close();
  rmSync(dir, { recursive: true });
}
