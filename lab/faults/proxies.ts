import { Worker } from "node:worker_threads";
import { pickPort, returnPort } from "#lab/supervisor/ports.ts";
import type { ProxyTarget, Toxic } from "#scenarios/fault.ts";
import type { ProxyAnswer, ProxyRequest } from "./proxy-messages.ts";

/** The lab's TCP proxies: one in front of every service that a fault can be put on. */
export interface Proxies {
  /** Keeps its port whatever the service does. Resolves once it listens. */
  readonly portOf: (target: ProxyTarget) => Promise<number>;
  /** Tells where the service is now; `null` when it was there and is gone. */
  readonly aim: (target: ProxyTarget, port: number | null) => void;
  /** Resolves once the toxic holds; the function takes it away again, once, however often it is called. */
  readonly arm: (target: ProxyTarget, toxic: Toxic) => Promise<() => Promise<void>>;
  /** What is armed now. */
  readonly armed: () => readonly ArmedToxic[];
  /** Takes away everything that is armed. */
  readonly calm: () => Promise<void>;
  /** Ends all connections and listeners. */
  readonly close: () => Promise<void>;
}

export interface ArmedToxic {
  readonly target: ProxyTarget;
  readonly toxic: Toxic;
}

/** Everything the app reaches through a proxy. */
export const proxyTargets = ["postgres", "valkey", "minio", "keycloak", "collector"] as const;

/** Another program may take a port between its choice and the listener. */
const portTries = 5;

/** `localhost` in a browser may mean either address, and browsers are sent to the sign-in page. */
const hostsOf = (target: ProxyTarget): readonly string[] =>
  target === "keycloak" ? ["127.0.0.1", "::1"] : ["127.0.0.1"];

/**
 * Starts the proxies in a thread of their own, which ends with this process. Should the thread fail,
 * another takes the same ports; what was armed is gone then.
 */
export function openProxies(): Proxies {
  const aims = new Map<ProxyTarget, number | null>();
  const ports = new Map<ProxyTarget, Promise<number>>();
  const armed = new Set<ArmedToxic>();
  let closed = false;
  let thread = startThread(threadEnded);

  for (const target of proxyTargets) {
    const port = findPort(target);
    port.catch(() => {});
    ports.set(target, port);
  }

  async function findPort(target: ProxyTarget): Promise<number> {
    for (let tries = 1; ; tries++) {
      const port = await pickPort();
      try {
        await thread.ask({ kind: "listen", target, port, hosts: hostsOf(target) });
        return port;
      } catch (error) {
        returnPort(port);
        if (tries === portTries || closed) throw error;
      }
    }
  }

  function threadEnded(): void {
    if (closed) return;
    armed.clear();
    thread = startThread(threadEnded);
    for (const [target, found] of ports) void listenAgain(target, found);
  }

  async function listenAgain(target: ProxyTarget, found: Promise<number>): Promise<void> {
    const port = await found.catch(() => undefined);
    if (port === undefined) return;
    await tell({ kind: "listen", target, port, hosts: hostsOf(target) });
    const aim = aims.get(target);
    if (aim !== undefined) await tell({ kind: "aim", target, port: aim });
  }

  /** For what nobody waits for: a thread that ended is told anew. */
  const tell = (request: ProxyRequest): Promise<void> => thread.ask(request).catch(() => {});

  const send = async (target: ProxyTarget): Promise<void> => {
    const toxics = [...armed].filter((one) => one.target === target).map(({ toxic }) => toxic);
    await thread.ask({ kind: "toxics", target, toxics });
  };

  return {
    portOf: (target) => ports.get(target) ?? Promise.reject(new Error(`no proxy for ${target}`)),
    aim: (target, port) => {
      // Before its first start nobody is gone, and the port is best held.
      if (aims.get(target) === port || (port === null && !aims.has(target))) return;
      aims.set(target, port);
      // Only once it listens is there something to aim.
      void ports
        .get(target)
        ?.then(() => tell({ kind: "aim", target, port: aims.get(target) ?? null }));
    },
    arm: async (target, toxic) => {
      const one: ArmedToxic = { target, toxic };
      armed.add(one);
      await ports.get(target);
      const disarm = async (): Promise<void> => {
        if (armed.delete(one)) await send(target);
      };
      try {
        await send(target);
      } catch (error) {
        armed.delete(one);
        throw error;
      }
      return disarm;
    },
    armed: () => [...armed],
    calm: async () => {
      const targets = new Set([...armed].map(({ target }) => target));
      armed.clear();
      await Promise.allSettled([...targets].map(send));
    },
    close: async () => {
      closed = true;
      armed.clear();
      await thread.end();
      for (const port of ports.values()) port.then(returnPort, () => {});
    },
  };
}

interface ProxyThread {
  readonly ask: (request: ProxyRequest) => Promise<void>;
  readonly end: () => Promise<void>;
}

function startThread(onEnded: () => void): ProxyThread {
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let seq = 0;
  let over = false;
  const worker = new Worker(new URL("./proxy-thread.ts", import.meta.url), { name: "proxies" });
  // Nothing waits for it: the lab may end while it runs.
  worker.unref();
  worker.on("message", ({ seq: answered, error }: ProxyAnswer) => {
    const question = waiting.get(answered);
    waiting.delete(answered);
    if (error === undefined) question?.resolve();
    else question?.reject(new Error(error));
  });
  worker.on("error", () => {});
  worker.on("exit", () => {
    over = true;
    for (const { reject } of waiting.values()) reject(new Error("the thread of the proxies ended"));
    waiting.clear();
    onEnded();
  });
  return {
    ask: (request) => {
      if (over) return Promise.reject(new Error("the thread of the proxies ended"));
      const question = Promise.withResolvers<void>();
      waiting.set(++seq, question);
      worker.postMessage({ seq, request });
      return question.promise;
    },
    end: async () => {
      await worker.terminate();
    },
  };
}
