import { randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { LabError } from "#lab/errors.ts";
import { bootId, identify, isAlive } from "#lab/supervisor/process-identity.ts";
import { setAside, writeFileAtomic } from "./atomic-file.ts";
import { openLabDir } from "./lab-dir.ts";
import { storageError } from "./storage-error.ts";

const runningSchema = v.object({
  version: v.literal(1),
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Start of that process, see `ProcessIdentity`. */
  start: v.string(),
  boot: v.string(),
  /** Milliseconds since the epoch. */
  since: v.number(),
  /** Where the page is; null until the front door is bound. */
  origin: v.nullable(v.string()),
});
/** The lab that runs in a state folder. */
export type Running = Readonly<v.InferOutput<typeof runningSchema>>;

/** Held by the one lab of a state folder. */
export interface Lock {
  /** Tells others where the page is. */
  readonly publish: (origin: string) => Promise<void>;
  readonly release: () => Promise<void>;
}

const fileOf = (dir: string) => join(dir, "lab.json");

/**
 * Makes this process the lab of a state folder. A record of a dead lab is replaced; one that cannot
 * be read is set aside.
 * @throws LabError `already-running`, with URL and pid; `disk-full`; `state-unwritable`.
 */
export async function acquireLock(dir: string): Promise<Lock> {
  await openLabDir(dir);
  const me = identify(process.pid);
  if (!me) throw new Error("This process does not find itself among the running ones.");
  const mine: Running = {
    version: 1,
    pid: me.pid,
    start: me.start,
    boot: bootId(),
    since: Date.now(),
    origin: null,
  };
  const path = fileOf(dir);
  while (!(await create(path, mine))) {
    const other = await readRunning(dir);
    if (other) throw alreadyRunning(other, dir);
    await clearStale(path);
  }
  return {
    publish: (origin) => writeFileAtomic(path, serialise({ ...mine, origin })),
    release: async () => {
      const found = await parseFile(path);
      if (found.kind === "record" && found.record.pid === me.pid && found.record.start === me.start)
        await rm(path, { force: true });
    },
  };
}

/** The live lab of a state folder; undefined when none runs. */
export async function readRunning(dir: string): Promise<Running | undefined> {
  const found = await parseFile(fileOf(dir));
  return found.kind === "record" && lives(found.record) ? found.record : undefined;
}

function lives(record: Running): boolean {
  return record.boot === bootId() && isAlive(record);
}

function alreadyRunning(other: Running, dir: string): LabError {
  const where = other.origin ? `at ${other.origin}` : "and is still starting";
  return new LabError("already-running", `The lab already runs ${where} (pid ${other.pid}).`, {
    hint: `Open it, or stop it with: npm run lab -- down. For a second one choose another folder than ${dir}: LAB_DIR=/some/folder npm run lab`,
  });
}

type Parsed =
  | { readonly kind: "none" }
  | { readonly kind: "unreadable" }
  | { readonly kind: "record"; readonly record: Running };

async function parseFile(path: string): Promise<Parsed> {
  try {
    const text = await readFile(path, "utf8");
    return { kind: "record", record: v.parse(runningSchema, JSON.parse(text)) };
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return { kind: missing ? "none" : "unreadable" };
  }
}

/** Creates the file with its whole content in one step, as `open(…, "wx")` alone cannot; false when it exists. */
async function create(path: string, record: Running): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}.new`;
  try {
    await writeFile(temporary, serialise(record));
    await link(temporary, path);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return false;
    if (code === "EPERM" || code === "ENOTSUP") return createExclusive(path, record);
    throw storageError(error, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** For file systems without hard links. */
async function createExclusive(path: string, record: Running): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(serialise(record));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw storageError(error, path);
  }
}

/** Two starts may find the same dead record at once: the one that comes later must not throw away the winner's. */
async function clearStale(path: string): Promise<void> {
  const found = await parseFile(path);
  if (found.kind === "none") return;
  if (found.kind === "unreadable") {
    await setAside(path).catch(ignoreMissing);
    return;
  }
  const taken = `${path}.${randomUUID()}.stale`;
  try {
    await rename(path, taken);
  } catch (error) {
    return ignoreMissing(error);
  }
  const moved = await parseFile(taken);
  if (moved.kind === "record" && lives(moved.record)) await link(taken, path).catch(() => {});
  await rm(taken, { force: true });
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
}

function serialise(record: Running): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}
