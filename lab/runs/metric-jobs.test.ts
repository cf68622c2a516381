import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { labServices } from "../services/registry.ts";
import { repositoryDir } from "../state/lab-dir.ts";
import { jobOf } from "./metric-jobs.ts";

test("every service whose metrics a check may name is scraped by the job that it is looked for in", async () => {
  const text = await readFile(join(repositoryDir, "compose/prometheus/prometheus.yml"), "utf8");
  const jobs = [...text.matchAll(/job_name: (\S+)/g)].map(([, name]) => name);
  const told = labServices.filter(({ id, metrics }) => id === "server" || metrics);
  expect(told.map(({ id }) => id)).toEqual(expect.arrayContaining(["server", "store", "minio"]));
  expect(jobs).toEqual(expect.arrayContaining(told.map(({ id }) => jobOf(id))));
});
