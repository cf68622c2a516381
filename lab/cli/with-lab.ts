import { LabError } from "#lab/errors.ts";
import { readRunning } from "#lab/state/lock.ts";
import { plainBoard } from "./board.ts";
import type { Context } from "./context.ts";
import { onStopRequest } from "./interrupts.ts";
import { openSession } from "./lab-session.ts";
import { type LabAddress, requireLab } from "./running-lab.ts";

/**
 * Does the work with the running lab of this clone, or with one of this process that ends with it.
 * @throws LabError when no lab can be had, and `interrupted`; besides what the work throws.
 */
export async function withLab<T>(
  context: Context,
  work: (lab: LabAddress) => Promise<T>,
): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => {});
  let force = (): void => {};
  const dispose = onStopRequest((request) => {
    if (request > 1) return force();
    context.say("Stopping; Ctrl-C again ends everything at once.");
    interrupted.reject(
      new LabError("interrupted", "The verification was interrupted.", {
        hint: "Run it again; nothing is left running.",
      }),
    );
  });
  try {
    if ((await readRunning(context.dir)) !== undefined) {
      return await Promise.race([work(await requireLab(context.dir)), interrupted.promise]);
    }
    context.say("No lab of this clone is running: starting one for this verification.");
    const env = { ...context.env, LAB_PORT: context.env.LAB_PORT ?? "0" };
    const board = plainBoard(context.say);
    const session = await openSession({ ...context, env }, board);
    force = () => void session.close();
    try {
      const { service, page } = await Promise.race([session.settled(), interrupted.promise]);
      const problem = service ?? page;
      if (problem !== undefined) throw problem;
      return await Promise.race([work(session), interrupted.promise]);
    } finally {
      await session.close();
      board.end();
    }
  } finally {
    dispose();
  }
}
