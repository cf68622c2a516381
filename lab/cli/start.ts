import { LabError } from "#lab/errors.ts";
import type { RuntimeName, StartOptions } from "./arguments.ts";
import { isBackground, tellStarter } from "./background.ts";
import { type Board, liveBoard, plainBoard, rowText } from "./board.ts";
import type { Context, ExitCode } from "./context.ts";
import { onStopRequest } from "./interrupts.ts";
import { type LabSession, openSession } from "./lab-session.ts";
import { openPage } from "./open-page.ts";

/** From the request to stop until what is left is ended without asking again. */
const patienceMs = 4000;

/**
 * Starts the lab in this process and stays until asked to stop; with `untilReady` only until
 * everything is up. `beside` runs once it is ready, and what it returns before everything stops.
 * @throws LabError `already-running`, or why a service cannot be.
 */
export async function start(
  options: StartOptions & { readonly untilReady: boolean; readonly token: boolean },
  context: Context,
  beside: (session: LabSession) => Promise<() => Promise<void>> = async () => async () => {},
): Promise<ExitCode> {
  refuseWhatIsMissing(options);
  const startedAt = performance.now();
  const board = boardFor(context);
  const stop = stopRequest(board, isBackground(context.env));
  try {
    const session = await openSession(context, board);
    stop.force(() => void session.close());
    try {
      const pageError = await Promise.race([session.ready(), stop.asked]);
      if (stop.isAsked()) return 0;
      await announce(session, board, context, startedAt, options);
      if (pageError instanceof LabError)
        board.note(`${pageError.message}\n  hint: ${pageError.hint}`);
      if (options.untilReady) return pageError === undefined ? 0 : 1;
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

/** @throws LabError for a runtime or flag that this version does not have. */
export function refuseWhatIsMissing(options: {
  readonly runtime: RuntimeName;
  readonly token: boolean;
}): void {
  if (options.runtime === "compose") {
    throw new LabError("no-compose", "This version has no Compose runtime.", {
      hint: "Leave --runtime out: the embedded runtime needs no container engine.",
    });
  }
  if (options.token) {
    throw new LabError("no-token", "This version cannot ask visitors for a token.", {
      hint: "Leave --token out. The lab listens on this machine's loopback addresses only.",
    });
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
  readonly asked: Promise<void>;
  readonly isAsked: () => boolean;
  /** What the second request does. */
  readonly force: (action: () => void) => void;
  readonly dispose: () => void;
}

function stopRequest(board: Board, outlivesStarter: boolean): StopRequest {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  let force = (): void => {};
  const dispose = onStopRequest(
    (request) => {
      if (request > 1) {
        board.note("Stopping at once.");
        force();
        return;
      }
      asked = true;
      board.note("Stopping; Ctrl-C again ends everything at once.");
      resolve();
    },
    { outlivesStarter },
  );
  return {
    asked: promise,
    isAsked: () => asked,
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

async function announce(
  session: LabSession,
  board: Board,
  context: Context,
  startedAt: number,
  options: StartOptions & { readonly untilReady: boolean },
): Promise<void> {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  board.end();
  if (options.untilReady) for (const row of session.rows()) context.out(rowText(row));
  context.out(`Ready in ${seconds} s: ${session.origin}`);
  await tellStarter({ type: "ready", origin: session.origin });
  if (options.untilReady) return;
  context.out(
    "Embedded runtime: no containers. The full stack with Grafana, Tempo and Prometheus is not part of this version.",
  );
  if (options.open && context.live) openPage(session.origin, context.env);
}
