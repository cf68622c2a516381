// The thread of the lab's proxies: bytes between app and services never wait for the lab's own work.
import { parentPort } from "node:worker_threads";
import type { ProxyTarget } from "#scenarios/fault.ts";
import { type Listener, openListener } from "./listener.ts";
import type { ProxyAnswer, ProxyRequest } from "./proxy-messages.ts";

const listeners = new Map<ProxyTarget, Listener>();

async function perform(request: ProxyRequest): Promise<void> {
  switch (request.kind) {
    case "listen":
      listeners.set(request.target, await openListener(request.port, request.hosts));
      return;
    case "aim":
      await listeners.get(request.target)?.aim(request.port);
      return;
    case "toxics":
      await listeners.get(request.target)?.setToxics(request.toxics);
      return;
  }
}

parentPort?.on("message", ({ seq, request }: { seq: number; request: ProxyRequest }) => {
  const answer = (part: Omit<ProxyAnswer, "seq">) => parentPort?.postMessage({ seq, ...part });
  perform(request).then(
    () => answer({}),
    (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
  );
});
