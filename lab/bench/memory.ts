import { readdirSync, readFileSync } from "node:fs";
import type { Benchmark } from "./benchmark.ts";
import { startLab } from "./lab-under-test.ts";
import { digits } from "./statistics.ts";

/** Proportional set size (shared pages counted once) of the lab and everything it started. Linux only. */
export const memoryBenchmark: Benchmark = {
  id: "memory",
  title: "Memory of the idle lab (PSS)",
  run: async () => {
    await using lab = await startLab();
    const { services } = await lab.status();
    const children = processChildren();
    const rows = services.flatMap(({ id, pid }) =>
      pid === null ? [] : [{ what: id as string, mebibytes: treeMebibytes(pid, children) }],
    );
    const owner = labProcess(lab.dir);
    const own = { what: "lab (front door, supervisor)", mebibytes: mebibytes(owner) };
    const all = [own, ...rows];
    const total = all.reduce((sum, row) => sum + row.mebibytes, 0);
    return [
      ...all.map((row) => ({ what: row.what, value: `${digits(row.mebibytes)} MiB`, samples: 1 })),
      {
        what: "whole lab",
        value: `${digits(total)} MiB`,
        bound: "≤ 668 MiB, 700 MB (aim 381 MiB)",
        samples: 1,
      },
    ];
  },
};

const labProcess = (dir: string): number =>
  (JSON.parse(readFileSync(`${dir}/lab.json`, "utf8")) as { readonly pid: number }).pid;

function processChildren(): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  return children;
}

function parentOf(pid: number): number | undefined {
  try {
    // The command name may hold spaces and brackets: fields count from the last bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

const treeMebibytes = (pid: number, children: ReadonlyMap<number, readonly number[]>): number =>
  (children.get(pid) ?? []).reduce(
    (sum, child) => sum + treeMebibytes(child, children),
    mebibytes(pid),
  );

function mebibytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN) / 1024;
}
