import { type Context, type ExitCode, printJson } from "./context.ts";
import { examinations, type Finding } from "./examinations.ts";

const marks: Readonly<Record<Finding["state"], string>> = { good: "✓", note: "·", bad: "✗" };

/** What this machine offers the lab and what is in its way, running or not. 1 when something is bad. */
export async function doctor(json: boolean, context: Context): Promise<ExitCode> {
  const findings = (await Promise.all(examinations.map((examine) => examine(context)))).flat();
  if (json) printJson(context, { findings });
  for (const { about, state, found, hint } of json ? [] : findings) {
    context.out(`${marks[state]} ${about.padEnd(15)} ${found}`);
    if (hint !== undefined) context.out(`  ${"".padEnd(15)} hint: ${hint}`);
  }
  return findings.some(({ state }) => state === "bad") ? 1 : 0;
}
