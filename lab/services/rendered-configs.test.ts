import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { canaryOf } from "#scenarios/names.ts";
import { type CollectorPlaces, collectorValues } from "./collector/config.ts";
import { lokiValues } from "./loki/config.ts";
import { prometheusValues, type ScrapePlaces } from "./prometheus/config.ts";
import { renderTemplate, type TemplateValues } from "./template.ts";
import { tempoValues } from "./tempo/config.ts";

const ports = { http: 1, grpc: 2, health: 3, telemetry: 4, metrics: 5, otlp: 6, gossip: 7 };
const bare: CollectorPlaces = { listen: "127.0.0.1", ports, store: "http://127.0.0.1:20" };
const whole: CollectorPlaces = {
  ...bare,
  listen: "0.0.0.0",
  postgres: "postgres:5432",
  tempo: "tempo:4317",
  loki: "http://loki:3100",
  prometheus: "http://prometheus:9090",
  sentry: "https://sentry.example/api/1/integration/otlp/v1/traces/",
};
const scraped: ScrapePlaces = {
  prometheus: "localhost:9090",
  server: "host:1",
  store: "host:2",
  postgres: "host:3",
  collector: "collector:8888",
  telemetry: "collector:8889",
  tempo: "tempo:3200",
  loki: "loki:3100",
  keycloak: "keycloak:9000",
  redisExporter: "redis-exporter:9121",
  minio: "minio:9000",
  isRealMinio: true,
  minioTokenFile: "/etc/lab/minio-token",
  takesOtlp: true,
};
const few: ScrapePlaces = {
  ...{ prometheus: "127.0.0.1:1", server: "127.0.0.1:2", store: "127.0.0.1:3" },
  ...{ postgres: undefined, redisExporter: undefined, minio: "127.0.0.1:4", isRealMinio: false },
  ...{ minioTokenFile: "/lab/token", takesOtlp: false },
};
const tempoAt = { listen: "127.0.0.1", ports, data: "/data" } as const;
const renderings: Readonly<Record<string, readonly [string, TemplateValues]>> = {
  "Collector alone": ["collector/config.yaml", collectorValues(bare)],
  "Collector in the whole stack": ["collector/config.yaml", collectorValues(whole)],
  "Tempo 2": ["tempo/tempo.yaml", tempoValues({ ...tempoAt, line: "tempo2" })],
  "Tempo 3": ["tempo/tempo.yaml", tempoValues({ ...tempoAt, line: "tempo3" })],
  Loki: ["loki/loki.yaml", lokiValues({ listen: "0.0.0.0", ports, data: "/loki" })],
  "Prometheus of a small lab": ["prometheus/prometheus.yml", prometheusValues(few)],
  "Prometheus of the whole stack": ["prometheus/prometheus.yml", prometheusValues(scraped)],
};

async function rendered(name: string): Promise<string> {
  const [template, values] = renderings[name] as readonly [string, TemplateValues];
  return renderTemplate(await readFile(join(repositoryDir, "compose", template), "utf8"), values);
}

test.each(Object.keys(renderings))("%s: YAML with every name filled in", async (name) => {
  const text = await rendered(name);
  // Duplicate keys are errors to this parser.
  expect(Object.keys(parse(text)).length).toBeGreaterThan(2);
  expect(text.match(/\$\{\w+\}|^\s*# (?:when|end)\b|undefined/gm)).toBeNull();
});

test("Tempo keeps everything in its own folder, whichever line it is of", async () => {
  for (const name of ["Tempo 2", "Tempo 3"]) {
    const paths = [...(await rendered(name)).matchAll(/(?:path|_dir): "?([^"\s}]+)/g)];
    expect(paths.length, name).toBeGreaterThan(1);
    for (const [, path] of paths) expect(path, name).toMatch(/^\/data\//);
  }
});

interface CollectorConfig {
  readonly service: {
    readonly extensions: readonly string[];
    readonly pipelines: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  };
  readonly [section: string]: unknown;
}

test.each(["Collector alone", "Collector in the whole stack"])(
  "%s: pipelines name what is declared, and nothing is declared in vain",
  async (name) => {
    const config: CollectorConfig = parse(await rendered(name));
    const declared = (...sections: string[]): string[] =>
      sections.flatMap((section) => Object.keys(config[section] as object)).sort();
    const named = (...roles: string[]): string[] => {
      const all = Object.values(config.service.pipelines);
      return [...new Set(all.flatMap((one) => roles.flatMap((role) => one[role] ?? [])))].sort();
    };
    expect(named("receivers", "exporters")).toEqual(
      declared("receivers", "exporters", "connectors"),
    );
    expect(named("processors")).toEqual(declared("processors"));
    expect(config.service.extensions).toEqual(declared("extensions"));
    const first = Object.values(config.service.pipelines).map(({ processors }) => processors?.[0]);
    expect(new Set(first)).toEqual(new Set(["memory_limiter"]));
    const isConnector = (id: string) => declared("connectors").includes(id);
    // One that only takes in, or only gives out, would leave its metrics nowhere.
    expect(named("receivers").filter(isConnector)).toEqual(named("exporters").filter(isConnector));
  },
);

interface ScrapeConfig {
  readonly otlp?: object;
  readonly scrape_configs: readonly { readonly job_name: string }[];
}

test("Prometheus scrapes what is there, and speaks only of what it knows", async () => {
  const small: ScrapeConfig = parse(await rendered("Prometheus of a small lab"));
  expect(small.scrape_configs.map(({ job_name }) => job_name)).toEqual(
    expect.arrayContaining(["prometheus", "server", "store", "minio"]),
  );
  const jobs = small.scrape_configs.map(({ job_name }) => job_name);
  for (const absent of ["collector", "tempo", "redis-exporter", "minio-bucket"])
    expect(jobs).not.toContain(absent);
  expect(small.otlp).toBeUndefined();
  const full: ScrapeConfig = parse(await rendered("Prometheus of the whole stack"));
  expect(full.otlp).toBeDefined();
  expect(new Set(full.scrape_configs.map(({ job_name }) => job_name)).size).toBe(
    full.scrape_configs.length,
  );
});

interface RedactingConfig {
  readonly processors: { readonly redaction: { readonly blocked_values: readonly string[] } };
}

test("the Collector takes the steps of a sign-in out of any program's URLs, and leaves what is redacted", async () => {
  const { processors }: RedactingConfig = parse(await rendered("Collector alone"));
  // As the processor does it: what matches becomes asterisks (RE2 has its flags inside).
  const masked = (value: string): string =>
    processors.redaction.blocked_values.reduce(
      (left, pattern) =>
        left.replace(new RegExp(pattern.replace(/^\(\?i\)/, ""), "gi"), (_, before = "") =>
          /^[?&]?$/.test(before) ? `${before}****` : "****",
        ),
      value,
    );
  const long = "8Zt9u3b0LJ4mWc1x";
  expect(
    masked(`session_code=${long}&execution=a1&tab_id=b2&client_data=${long}&nonce=${long}`),
  ).not.toContain(long);
  for (const name of ["code", "state", "code_verifier", "id_token_hint", "session_state"])
    expect(masked(`http://localhost/realms/lab/x?scope=openid&${name}=${long}&ui=en`)).toBe(
      "http://localhost/realms/lab/x?scope=openid&****&ui=en",
    );
  for (const fine of ["/cb?code=REDACTED&state=REDACTED", "country_code=switzerland", "state=idle"])
    expect(masked(fine)).toBe(fine);
  const canary = `/api/products?code=${canaryOf("code", "0mwse3snc000rknr06lbq14798")}`;
  expect(masked(canary)).toBe(canary);
});
