import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openMetrics } from "#lab/standins/minio/s3-metrics.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { parseTraceql } from "#lab/store/traceql/parser.ts";
import { dashboards } from "./catalogue.ts";
import { dashboardJson, units } from "./dashboard.ts";
import { dashboardFiles } from "./dashboard-files.ts";
import { labelNames, logqlErrors, metricNames, promqlErrors } from "./expression.ts";
import { filledIn, queriesOf } from "./queries.ts";
import { readRecording } from "./recorded-series.ts";
import { dataSource } from "./uids.ts";

const files = dashboardFiles();
const queries = files.flatMap(queriesOf);
const promql = queries.filter(({ language }) => language === "promql");
const provisioned = (name: string): string =>
  readFileSync(join(repositoryDir, "grafana", "provisioning", name, "lab.yaml"), "utf8");

/** What MinIO shows with the first request that it fails, and had none to fail when it was recorded. */
const appearsLater: Readonly<Record<string, string>> = {
  minio_api_requests_5xx_errors_total: "minio_api_requests_4xx_errors_total",
};
/** Made by Prometheus itself. */
const ofPrometheus = ["up"];

/** Labels by metric, of all recordings and of the stand-in for MinIO. */
const recorded = new Map<string, Set<string>>();
beforeAll(() => {
  const dir = new URL("testdata/", import.meta.url);
  for (const name of readdirSync(dir)) {
    for (const [metric, labels] of readRecording(readFileSync(new URL(name, dir), "utf8"))) {
      recorded.set(metric, new Set([...(recorded.get(metric) ?? []), ...labels]));
    }
  }
  for (const [metric, labels] of standInMetrics()) recorded.set(metric, labels);
  for (const [later, like] of Object.entries(appearsLater)) {
    recorded.set(later, recorded.get(like) ?? new Set());
  }
});

function standInMetrics(): ReadonlyMap<string, Set<string>> {
  const metrics = openMetrics();
  metrics.begin();
  metrics.end({ api: "getobject", status: 200, sent: 1, received: 1 });
  const found = new Map<string, Set<string>>();
  for (const line of metrics.text({ bytes: 1, objects: 1, buckets: 1 }).split("\n")) {
    const [, name, labels = ""] = /^(lab_s3_\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label = ""]) => label);
    found.set(name, new Set([...(found.get(name) ?? []), ...names]));
  }
  return found;
}

test("the files are what the definitions make", () => {
  expect(files).toEqual(
    dashboards
      .map((dashboard) => JSON.parse(JSON.stringify(dashboardJson(dashboard))))
      .sort((a, b) => (a.uid < b.uid ? -1 : 1)),
  );
});

describe.each(files.map((file) => [file.uid, file] as const))("%s", (_, file) => {
  const panels = file.panels.filter(({ type }) => type !== "row");

  test("no id is given twice, and the classic model's version is one that Grafana reads", () => {
    const ids = file.panels.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    expect(file.schemaVersion).toBeLessThanOrEqual(42);
  });

  test("every panel has title, description, unit and a query", () => {
    for (const panel of panels) {
      expect(panel.title, `panel ${panel.id}`).not.toBe("");
      expect(panel.description ?? "", panel.title).toMatch(/\w.*[.]$/s);
      expect(units, panel.title).toContain(panel.fieldConfig?.defaults.unit);
      expect(panel.targets?.length, panel.title).toBeGreaterThan(0);
    }
  });

  test("no two panels lie on each other or beside the page", () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of file.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken, title).not.toContain(`${x} ${y}`);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  test("its data sources are provisioned", () => {
    const uids = Object.values(dataSource).map(({ uid }) => uid as string);
    expect(uids).toEqual(expect.arrayContaining(queriesOf(file).map((one) => one.datasourceUid)));
  });

  test("its variables are declared", () => {
    const declared = file.templating.list.map(({ name }) => `$${name}`);
    const used = queriesOf(file).flatMap(({ expr }) => expr.match(/\$(?!__|\d)\w+/g) ?? []);
    expect(declared).toEqual(expect.arrayContaining(used));
    expect(used).toEqual(expect.arrayContaining(declared));
  });
});

test("runs are annotated on every dashboard", () => {
  for (const { annotations } of files) {
    expect(annotations.list).toMatchObject([
      { name: "Runs", useValueForTime: true, datasource: dataSource.prometheus },
    ]);
  }
});

test.each(promql)("PromQL of $dashboard, $place is valid", ({ expr }) => {
  expect(promqlErrors(filledIn(expr))).toEqual([]);
});

test.each(queries.filter(({ language }) => language === "logql"))(
  "LogQL of $dashboard, $place is valid",
  ({ expr }) => {
    expect(logqlErrors(filledIn(expr))).toEqual([]);
  },
);

test.each(queries.filter(({ language }) => language === "traceql"))(
  "TraceQL of $dashboard, $place is valid",
  ({ expr }) => {
    expect(parseTraceql(filledIn(expr)).stages.length).toBeGreaterThan(0);
  },
);

test.each(promql)(
  "$dashboard, $place reads metrics and labels that somebody exposes",
  ({ expr }) => {
    const filled = filledIn(expr);
    const names = metricNames(filled).filter((name) => !ofPrometheus.includes(name));
    expect([...recorded.keys()]).toEqual(expect.arrayContaining([...names]));
    const labels = new Set(["job", ...names.flatMap((name) => [...(recorded.get(name) ?? [])])]);
    expect([...labels]).toEqual(expect.arrayContaining([...labelNames(filled)]));
  },
);

test("a broken expression is found", () => {
  expect(promqlErrors("sum(rate(a_total[5m])")).not.toEqual([]);
  expect(promqlErrors("")).toEqual(["empty"]);
  expect(logqlErrors('{a="b"} | ')).not.toEqual([]);
  expect(metricNames('sum by (x) (rate(a_total{b="c"}[5m])) / d or {__name__=~"e|f"}')).toEqual([
    ...["a_total", "d", "e", "f"],
  ]);
  expect(labelNames('label_replace(a{b="c"}, "d", "$1", "e", "(.+)")')).toEqual(["e", "b"]);
});

describe("data sources", () => {
  const text = provisioned("datasources");

  test("each is provisioned under the uid and type that panels and links use", () => {
    const found = [...text.matchAll(/^ {4}uid: (\w+)\n {4}type: (\w+)/gm)];
    expect(found.map(([, uid, type]) => ({ uid, type }))).toEqual(
      expect.arrayContaining(Object.values(dataSource).map(({ uid, type }) => ({ uid, type }))),
    );
  });

  test("they lead to each other only", () => {
    const uids = Object.values(dataSource).map(({ uid }) => uid as string);
    const targets = [...text.matchAll(/datasourceUid: (\w+)/g)].map(([, uid]) => uid ?? "");
    expect(new Set(targets)).toEqual(new Set(uids));
  });

  test("a dollar sign that Grafana shall keep is written twice", () => {
    expect(text.replaceAll("$$", "")).not.toContain("$");
  });

  test("the queries behind a span are valid and read what the Collector makes", () => {
    const span = text.slice(text.indexOf("tracesToMetrics"));
    const metrics = [...span.matchAll(/query: '(.+)'/g)].map(([, expr = ""]) =>
      expr.replace("$$__tags", 'service_name="x"'),
    );
    expect(metrics.length).toBe(3);
    for (const expr of metrics) {
      expect(promqlErrors(expr)).toEqual([]);
      for (const name of metricNames(expr)) expect([...recorded.keys()]).toContain(name);
    }
    const [, logs = ""] = /tracesToLogsV2[\s\S]+?query: '(.+)'/.exec(text) ?? [];
    expect(logqlErrors(logs.replace("$${__trace.traceId}", "ab".repeat(16)))).toEqual([]);
  });

  test("the dashboards' folder is where Compose mounts it", () => {
    const [, path = "?"] = /path: ([\w/]+)/.exec(provisioned("dashboards")) ?? [];
    const compose = readFileSync(join(repositoryDir, "compose", "compose.yaml"), "utf8");
    expect(compose).toContain(`source: ../grafana/dashboards, target: ${path}`);
    expect(compose).toContain("source: ../grafana/provisioning, target: /etc/grafana/provisioning");
  });
});
