import { LabError } from "#lab/errors.ts";
import { type FrontDoor, openFrontDoor } from "#lab/front-door/front-door.ts";
import { prepareRuntime, type ReadyRuntime } from "#lab/runtimes/prepare.ts";
import { acquireLock } from "#lab/state/lock.ts";
import { type RuntimeName, rememberRuntime } from "#lab/state/runtime-choice.ts";
import { loadSecrets } from "#lab/state/secrets.ts";
import { issueToken, withdrawToken } from "#lab/state/token.ts";
import type { System } from "#lab/system.ts";
import type { Board, BoardRow } from "./board.ts";
import type { Context } from "./context.ts";
import { openOnPort } from "./front-door-port.ts";
import { forgetOpening } from "./open-page.ts";
import type { LabAddress } from "./running-lab.ts";

/** What a start could not do. The page of a lab with a failed service still works, and the other way round. */
export interface StartProblems {
  readonly service: LabError | undefined;
  readonly page: LabError | undefined;
}

/** A lab of this process, from its lock to its last service. */
export interface LabSession extends LabAddress {
  /** Where to send a person: the origin, or with a token a new link that works once. */
  readonly link: () => string;
  readonly system: System;
  /** Which runtime it is, why, and how to get the other one. */
  readonly runtimeLine: string;
  /** Resolves when all is up, or when it is known what cannot be; `fetches` as for {@link System.ready}. */
  readonly settled: (wait?: { readonly fetches?: boolean }) => Promise<StartProblems>;
  /** As the board shows them. */
  readonly rows: () => readonly BoardRow[];
  /** Stops everything. Called again while it runs, it forces. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the front door at once, so that a browser has something to look at, and starts the services
 * behind it.
 * @param asksToken whether the front door asks every visitor for proof, as shared machines need it.
 * @param asked the runtime; without it, the one that was last asked for here, else what
 *   {@link prepareRuntime} finds.
 * @throws LabError `already-running`, `port-busy`, `disk-full`, `state-unwritable`; for containers also
 *   what of an engine is missing.
 */
export async function openSession(
  context: Context,
  board: Board,
  asksToken = false,
  asked?: RuntimeName,
): Promise<LabSession> {
  const { dir, env } = context;
  const lock = await acquireLock(dir);
  let runtime: ReadyRuntime | undefined;
  try {
    runtime = await prepareRuntime(asked, { dir, env, say: board.note });
    if (asked !== undefined) await rememberRuntime(dir, asked);
    const secrets = await loadSecrets(dir);
    const page = pageRow(board);
    // A lab that was killed left its token; programs would go on to send it.
    await withdrawToken(dir);
    const token = asksToken ? await issueToken(dir) : undefined;
    const door = await openOnPort(context, board, (port) =>
      openFrontDoor({
        ...{ port, dir, secrets, env },
        ...(token === undefined ? {} : { token }),
        onProgress: page.progress,
        onNotice: board.note,
      }),
    );
    await lock.publish(door.origin);
    const system = runtime.open({ dir, secrets, origin: door.origin, env });
    for (const row of system.services()) board.row(row);
    const unsubscribe = system.subscribe(board.row);
    door.attach(system);
    const built = page.follow(door);
    return {
      origin: door.origin,
      token,
      link: door.link,
      system,
      runtimeLine: runtime.line,
      settled: async (wait) => {
        const [service, page] = await Promise.all([problemOf(system.ready(wait)), built]);
        return { service, page };
      },
      rows: () => [...system.services(), page.row()],
      close: closing(door, system, async () => {
        unsubscribe();
        await withdrawToken(dir);
        await forgetOpening(dir);
        await lock.release();
      }),
    };
  } catch (error) {
    await runtime?.cancel();
    await withdrawToken(dir);
    await lock.release();
    throw error;
  }
}

/** The page is no service, but its build is one of the long steps of a first start. */
function pageRow(board: Board) {
  const startedAt = performance.now();
  let row: BoardRow = {
    id: "page",
    state: "preparing",
    kind: "real",
    version: null,
    port: null,
    startMs: null,
    restarts: 0,
    progress: null,
    note: null,
  };
  const show = (changes: Partial<BoardRow>): void => {
    row = { ...row, ...changes };
    board.row(row);
  };
  return {
    row: () => row,
    progress: (progress: NonNullable<BoardRow["progress"]>) => show({ progress }),
    follow: async (door: FrontDoor): Promise<LabError | undefined> => {
      const problem = await problemOf(door.page);
      if (problem !== undefined) {
        show({ state: "unavailable", progress: null, note: problem.code });
        return problem;
      }
      show({
        state: "ready",
        progress: null,
        port: door.port,
        startMs: performance.now() - startedAt,
      });
      return undefined;
    },
  };
}

/** The `LabError` that a step ended with; anything else is a defect and thrown on. */
async function problemOf(step: Promise<unknown>): Promise<LabError | undefined> {
  try {
    await step;
    return undefined;
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
}

/** The page goes last, so that it can show the others stopping; a second call ends what is left at once. */
function closing(door: FrontDoor, system: System, leave: () => Promise<void>) {
  let first: Promise<void> | undefined;
  return (): Promise<void> => {
    const stopped = system.shutdown();
    first ??= (async () => {
      await stopped;
      await door.close();
      await leave();
    })();
    return first;
  };
}
