import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { Agent, get } from "node:http";
import { createInterface } from "node:readline";
import type { Benchmark } from "./benchmark.ts";
import { repository, temporaryFolder } from "./lab-under-test.ts";
import { digits, percentile } from "./statistics.ts";

const rounds = 5;
const requestsPerRound = 3000;
const connections = 20;

const variants = ["bare", "OTel", "OTel + Sentry"] as const;
type Variant = (typeof variants)[number];

/** What instrumentation costs the app: CPU of its process per request, the variants in turn on one machine. */
export const taxBenchmark: Benchmark = {
  id: "tax",
  title: `CPU per request of a small Koa route, ${connections} connections, everything sampled`,
  run: async () => {
    const folder = await temporaryFolder();
    const store = await startStore(folder);
    const apps = new Map<Variant, App>();
    try {
      for (const variant of variants) apps.set(variant, await startApp(variant, store.port));
      const costs = await priceInTurn(apps);
      const bare = percentile(costs.get("bare") ?? [], 50);
      return variants.map((variant) => {
        const cost = percentile(costs.get(variant) ?? [], 50);
        return {
          what: `${variant}, median round (${digits(cost / bare)} × bare)`,
          value: `${digits(cost)} µs`,
          samples: rounds * requestsPerRound,
        };
      });
    } finally {
      for (const { process } of [...apps.values(), store]) await end(process);
      await rm(folder, { recursive: true, force: true });
    }
  },
};

interface App {
  readonly process: ChildProcess;
  readonly port: number;
}

async function priceInTurn(apps: ReadonlyMap<Variant, App>): Promise<Map<Variant, number[]>> {
  const costs = new Map<Variant, number[]>(variants.map((variant) => [variant, []]));
  // The first round warms the compiler and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    for (const [variant, { port }] of apps) {
      const cost = await priceOf(port);
      if (round > 0) costs.get(variant)?.push(cost);
    }
  }
  return costs;
}

async function priceOf(port: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const before = await cpu(port, agent);
  let left = requestsPerRound;
  const connection = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await text(port, "/orders/1", agent);
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  const after = await cpu(port, agent);
  agent.destroy();
  return (after - before) / requestsPerRound;
}

const cpu = async (port: number, agent: Agent): Promise<number> =>
  (JSON.parse(await text(port, "/healthz", agent)) as { readonly cpuMicroseconds: number })
    .cpuMicroseconds;

const text = (port: number, path: string, agent: Agent): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path, agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve(body));
    }).on("error", reject);
  });

/** The lab's own store takes the telemetry: what it costs there is not the app's price. */
async function startStore(folder: string): Promise<App> {
  const child = spawn(process.execPath, ["lab/store/main.ts"], {
    cwd: repository,
    env: { ...process.env, LAB_STORE_PORT: "0", LAB_STORE_DIR: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { process: child, port: await portFrom(child, /"port":(\d+)/) };
}

async function startApp(variant: Variant, storePort: number): Promise<App> {
  const telemetry = variant === "bare" ? [] : ["--import", "./server/telemetry.ts"];
  const unused = "postgres://unused:unused@127.0.0.1:1/unused";
  const child = spawn(process.execPath, [...telemetry, "lab/bench/tax-app.ts"], {
    cwd: repository,
    env: {
      ...process.env,
      LAB_SERVER_PORT: "0",
      LAB_SERVER_METRICS_PORT: "0",
      LAB_ORIGIN: "http://localhost:4700",
      LAB_DOOR_SECRET: "bench-door-secret-1",
      LAB_TICKET_KEY: "bench-ticket-key-01",
      DATABASE_URL: unused,
      LAB_FAULT_DATABASE_URL: unused,
      LAB_VERSION: "bench",
      VALKEY_URL: "redis://:pw@127.0.0.1:1",
      S3_ENDPOINT: "http://127.0.0.1:1",
      S3_BUCKET: "lab-products",
      AWS_ACCESS_KEY_ID: "lab",
      AWS_SECRET_ACCESS_KEY: "secret-of-this-test-start",
      AWS_REGION: "us-east-1",
      OIDC_ISSUER: "http://127.0.0.1:1/realms/lab",
      OIDC_CLIENT_ID: "lab-server",
      OIDC_CLIENT_SECRET: "client-secret-of-this-start",
      LAB_COOKIE_KEYS: "cookie-key-of-this-test-start",
      LAB_USER_NAME: "ada",
      LAB_USER_PASSWORD: "user-password-of-this-start",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${storePort}`,
      ...(variant === "OTel + Sentry" ? { SENTRY_DSN: `http://lab@127.0.0.1:${storePort}/1` } : {}),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { process: child, port: await portFrom(child, /^port (\d+)/) };
}

async function portFrom(child: ChildProcess, pattern: RegExp): Promise<number> {
  if (child.stdout === null) throw new Error("the output of the process is not read");
  for await (const line of createInterface(child.stdout)) {
    const port = pattern.exec(line)?.[1];
    // Its output is still drained, so that a full pipe never stops it.
    if (port !== undefined) {
      child.stdout.resume();
      return Number(port);
    }
  }
  throw new Error(`the process ended before it listened (exit code ${child.exitCode})`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
