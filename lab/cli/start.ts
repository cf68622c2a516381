import type { StartOptions } from "./arguments.ts";
import { isBackground, tellStarter } from "./background.ts";
import { type Board, liveBoard, plainBoard, rowText } from "./board.ts";
import type { Context, ExitCode } from "./context.ts";
import { onStopRequest } from "./interrupts.ts";
import { type LabSession, openSession, type StartProblems } from "./lab-session.ts";
import { linkAdvice, openByLink, openPage } from "./open-page.ts";

/** From the request to stop until what is left is ended without asking again. */
const patienceMs = 4000;

/**
 * Starts the lab in this process and stays until asked to stop; with `untilReady` only until
 * everything is up. `beside` runs once it is ready, and what it returns before everything stops.
 * @throws LabError `already-running`; in the background also why a service cannot be.
 */
export async function start(
  options: StartOptions & { readonly untilReady: boolean; readonly token: boolean },
  context: Context,
  beside: (session: LabSession) => Promise<() => Promise<void>> = async () => async () => {},
): Promise<ExitCode> {
  const startedAt = performance.now();
  const board = boardFor(context);
  const stop = stopRequest(board, isBackground(context.env));
  try {
    const session = await openSession(context, board, options.token, options.runtime);
    stop.force(() => void session.close());
    try {
      const settled = session.settled({ fetches: options.untilReady });
      const problems = await Promise.race([settled, stop.asked]);
      if (problems === undefined) return 0;
      // Nobody watches a lab in the background: one that does not come up must not stay.
      if (isBackground(context.env) && problems.service !== undefined) throw problems.service;
      const well = await announce(session, board, context, { ...options, startedAt, problems });
      if (options.untilReady) return well ? 0 : 1;
      const end = await beside(session);
      await stop.asked;
      await end();
      return 0;
    } finally {
      await closeInTime(session);
      board.end();
    }
  } finally {
    stop.dispose();
  }
}

function boardFor(context: Context): Board {
  const board = context.live ? liveBoard(process.stdout) : plainBoard(context.out);
  if (!isBackground(context.env)) return board;
  return {
    row: (row) => {
      board.row(row);
      void tellStarter({ type: "row", row });
    },
    note: (line) => {
      board.note(line);
      void tellStarter({ type: "note", line });
    },
    end: board.end,
  };
}

interface StopRequest {
  readonly asked: Promise<undefined>;
  /** What the second request does. */
  readonly force: (action: () => void) => void;
  readonly dispose: () => void;
}

function stopRequest(board: Board, outlivesStarter: boolean): StopRequest {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let force = (): void => {};
  const dispose = onStopRequest(
    (request) => {
      if (request > 1) {
        board.note("Stopping at once.");
        force();
        return;
      }
      board.note("Stopping; Ctrl-C again ends everything at once.");
      resolve(undefined);
    },
    { outlivesStarter },
  );
  return {
    asked: promise,
    force: (action) => {
      force = action;
    },
    dispose,
  };
}

async function closeInTime(session: LabSession): Promise<void> {
  const impatient = setTimeout(() => void session.close(), patienceMs);
  await session.close();
  clearTimeout(impatient);
}

/** Tells how the start went; true when all is up. */
async function announce(
  session: LabSession,
  board: Board,
  context: Context,
  start: StartOptions & {
    readonly untilReady: boolean;
    readonly startedAt: number;
    readonly problems: StartProblems;
  },
): Promise<boolean> {
  board.end();
  if (start.untilReady) for (const row of session.rows()) context.out(rowText(row));
  const problems = [start.problems.service, start.problems.page].filter((p) => p !== undefined);
  for (const { message, hint } of problems) board.note(`${message}\n  hint: ${hint}`);
  const seconds = ((performance.now() - start.startedAt) / 1000).toFixed(1);
  // What a lab in the background prints is its log, and a link is a secret while it waits for its visit.
  const shown = start.untilReady || isBackground(context.env) ? session.origin : session.link();
  if (!start.untilReady) {
    board.note(session.runtimeLine);
    if (session.token !== undefined) context.out(linkAdvice);
  }
  context.out(
    problems.length === 0
      ? `Ready in ${seconds} s: ${shown}`
      : `Not everything is up after ${seconds} s: ${shown}`,
  );
  if (isBackground(context.env)) await tellStarter({ type: "ready", link: session.link() });
  if (!start.untilReady && start.open && context.live) {
    if (session.token === undefined) openPage(session.origin, context.env);
    else await openByLink(shown, context);
  }
  return problems.length === 0;
}
