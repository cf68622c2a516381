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
      pid === null ? [] : [{ what: id as string, memory: sum(treeOf(pid, children).map(read)) }],
    );
    const own = { what: "lab (front door, supervisor)", memory: read(labProcess(lab.dir)) };
    const all = [own, ...rows];
    const { total, files } = sum(all.map(({ memory }) => memory));
    return [
      ...all.map(({ what, memory }) => ({
        what,
        value: `${digits(memory.total)} MiB`,
        samples: 1,
      })),
      {
        what: "of it programs and libraries: less where others run the same ones",
        value: `${digits(files)} MiB`,
        samples: 1,
      },
      {
        what: "whole lab",
        value: `${digits(total)} MiB`,
        bound: "≤ 668 MiB, 700 MB (aim 381 MiB)",
        samples: 1,
      },
    ];
  },
};

/** Shares of memory in MiB. `files` is the part that is mapped from files. */
interface Memory {
  readonly total: number;
  readonly files: number;
}

const sum = (parts: readonly Memory[]): Memory =>
  parts.reduce((a, b) => ({ total: a.total + b.total, files: a.files + b.files }), {
    total: 0,
    files: 0,
  });

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

const treeOf = (pid: number, children: ReadonlyMap<number, readonly number[]>): number[] => [
  pid,
  ...(children.get(pid) ?? []).flatMap((child) => treeOf(child, children)),
];

function read(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? Number.NaN) / 1024;
  return { total: mebibytes("Pss"), files: mebibytes("Pss_File") };
}
