import { watch } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { LabError } from "#lab/errors.ts";
import type { Context, ExitCode } from "./context.ts";
import { onStopRequest } from "./interrupts.ts";

const shownBytes = 64 * 1024;
const shownLines = 200;

/**
 * The last lines of a service's log file, and with `follow` every further one until Ctrl-C. Read
 * from the file, so it works after a crash too.
 * @throws LabError `no-log`.
 */
export async function logs(service: string, follow: boolean, context: Context): Promise<ExitCode> {
  const folder = join(context.dir, "logs");
  const path = join(folder, `${service}.log`);
  const file = /^[a-z-]+$/.test(service)
    ? await open(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      })
    : undefined;
  if (file === undefined) throw await noLog(service, folder);
  const stopped = new AbortController();
  const dispose = follow ? onStopRequest(() => stopped.abort()) : () => {};
  try {
    const size = (await file.stat()).size;
    const from = Math.max(0, size - shownBytes);
    const text = await read(file, from, size);
    const whole = from === 0 ? text : text.slice(text.indexOf("\n") + 1);
    for (const line of whole.replace(/\n$/, "").split("\n").slice(-shownLines)) context.out(line);
    if (follow) await followFile(path, size, context, stopped.signal);
    return 0;
  } finally {
    dispose();
    await file.close();
  }
}

async function noLog(service: string, folder: string): Promise<LabError> {
  const names = await readdir(folder).catch((): string[] => []);
  const known = names.filter((name) => name.endsWith(".log")).map((name) => basename(name, ".log"));
  return new LabError("no-log", `There is no log of "${service}" in ${folder}.`, {
    hint: known.length > 0 ? `There are: ${known.sort().join(", ")}.` : "Start the lab first.",
  });
}

async function read(file: FileHandle, from: number, to: number): Promise<string> {
  const buffer = Buffer.alloc(to - from);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
  return buffer.toString("utf8", 0, bytesRead);
}

/** A file that became shorter was replaced by a new one: it is read from its start. */
async function followFile(
  path: string,
  from: number,
  context: Context,
  stopped: AbortSignal,
): Promise<void> {
  if (stopped.aborted) return;
  let position = from;
  let rest = "";
  let reading = Promise.resolve();
  const readOn = async (): Promise<void> => {
    const file = await open(path).catch(() => undefined);
    if (file === undefined) return;
    try {
      const { size } = await file.stat();
      if (size < position) position = 0;
      const lines = (rest + (await read(file, position, size))).split("\n");
      position = size;
      rest = lines.pop() ?? "";
      for (const line of lines) context.out(line);
    } finally {
      await file.close();
    }
  };
  const watcher = watch(join(path, ".."), { signal: stopped }, (_event, name) => {
    if (name === basename(path)) reading = reading.then(readOn);
  });
  const closed = new Promise<void>((resolve) => watcher.once("close", resolve));
  reading = reading.then(readOn);
  await closed;
  await reading;
}
