import { stat } from "node:fs/promises";
import { readRunning } from "#lab/state/lock.ts";
import { scenarioFile, scenariosFolder } from "#scenarios/catalogue.ts";
import type { Context } from "./context.ts";

/** Says which of these scenarios the running lab has as they were: it read them when it started. */
export async function tellChanged(ids: readonly string[], context: Context): Promise<void> {
  const running = await readRunning(context.dir);
  if (running === undefined) return;
  const folder = scenariosFolder(context.env);
  const isNewer = async (id: string): Promise<boolean> => {
    const file = await stat(new URL(scenarioFile(id), folder)).catch(() => undefined);
    return file !== undefined && file.mtimeMs > running.since;
  };
  const newer = await Promise.all(ids.map(isNewer));
  const changed = ids.filter((_, position) => newer[position]);
  if (changed.length === 0) return;
  const were = changed.length === 1 ? "was" : "were";
  context.say(
    `${changed.join(", ")} ${were} changed after the lab started, which goes on with what it read then.\n  hint: npm run lab -- down, then the same again`,
  );
}
