import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Readable } from "node:stream";

const keptLines = 2_000;
const maxLineChars = 8_192;
const maxFileBytes = 10 * 1024 * 1024;
/** The disk may have space again later. */
const reopenMs = 5_000;

/** What a service writes: a bounded file for people, and the last lines in memory. */
export interface Output {
  /** The file. */
  readonly path: string;
  /** Takes over a child's stdout or stderr. */
  readonly read: (stream: Readable) => void;
  /** A line of the lab's own about the service. */
  readonly note: (text: string) => void;
  /** Last lines, oldest first. */
  readonly tail: (lines: number) => readonly string[];
  /** Every line from now on. Returns the function that ends it. */
  readonly follow: (onLine: (line: string) => void) => () => void;
  /** Nothing is written to the file after this. */
  readonly close: () => void;
}

/** The file is `path`; past 10 MiB it becomes `<path>.1` and a new one begins. A file that cannot be written costs nothing but itself. */
export function openOutput(path: string): Output {
  const ring: string[] = [];
  const followers = new Set<(line: string) => void>();
  let file: number | undefined;
  let bytes = 0;
  let brokenAt = 0;

  const open = () => {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      file = openSync(path, "a", 0o600);
      bytes = fstatSync(file).size;
    } catch {
      breakOff();
    }
  };
  const breakOff = () => {
    if (file !== undefined) closeSync(file);
    file = undefined;
    brokenAt = Date.now();
  };
  const write = (text: string) => {
    if (file === undefined && Date.now() - brokenAt > reopenMs) open();
    if (file === undefined) return;
    try {
      // Straight to the kernel: a queue would grow without bound behind a slow disk.
      bytes += writeSync(file, text);
      if (bytes > maxFileBytes) rotate(file);
    } catch {
      breakOff();
    }
  };
  const rotate = (full: number) => {
    file = undefined;
    closeSync(full);
    renameSync(path, `${path}.1`);
    open();
  };
  const take = (line: string) => {
    const short = line.length > maxLineChars ? `${line.slice(0, maxLineChars)}…` : line;
    ring.push(short);
    if (ring.length > keptLines) ring.shift();
    for (const follower of followers) follower(short);
  };
  open();
  return {
    path,
    read: (stream) => {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        write(chunk);
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        // A line without an end must not grow for ever.
        if (rest.length > maxLineChars) {
          lines.push(rest);
          rest = "";
        }
        for (const line of lines) take(line);
      });
      stream.on("end", () => {
        if (rest) take(rest);
      });
      stream.on("error", () => {});
    },
    note: (text) => {
      write(`[lab] ${text}\n`);
      take(`[lab] ${text}`);
    },
    tail: (lines) => (lines > 0 ? ring.slice(-lines) : []),
    follow: (onLine) => {
      followers.add(onLine);
      return () => followers.delete(onLine);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
      brokenAt = Number.POSITIVE_INFINITY;
    },
  };
}
