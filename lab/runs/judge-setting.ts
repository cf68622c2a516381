import { type JudgeChoice, judgeChoices } from "../api/run-request.ts";
import { LabError } from "../errors.ts";

/**
 * `LAB_JUDGE`: whose word counts when a run does not say; undefined where nobody chose.
 * @throws LabError `bad-setting`.
 */
export function judgeSetting(env: NodeJS.ProcessEnv): JudgeChoice | undefined {
  const set = env.LAB_JUDGE;
  if (set === undefined || set === "") return undefined;
  const choice = judgeChoices.find((name) => name === set);
  if (choice !== undefined) return choice;
  throw new LabError("bad-setting", `LAB_JUDGE is "${set}".`, {
    hint: `It takes ${judgeChoices.join(" or ")}.`,
  });
}
