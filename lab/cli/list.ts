import { loadCatalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { describeExpectation } from "#scenarios/describe.ts";
import type { Param } from "#scenarios/param-spec.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";

/** Every scenario, read from its file: needs no running lab. */
export async function list(json: boolean, context: Context): Promise<ExitCode> {
  const scenarios = [...(await loadCatalogue()).values()];
  if (json) printJson(context, scenarios.map(asData));
  else for (const scenario of scenarios) for (const line of lines(scenario)) context.out(line);
  return 0;
}

const asData = ({ serve: _, ...scenario }: Scenario) => ({
  ...scenario,
  expectTitles: scenario.expect.map(describeExpectation),
});

function lines({ id, title, summary, params, modes, stage }: Scenario): string[] {
  const words = Object.entries(params).map(([name, param]) => `${name}=${range(param)}`);
  return [
    `${id.padEnd(24)} ${title}${stage ? "  (in the browser)" : ""}`,
    `${"".padEnd(24)} ${summary}`,
    `${"".padEnd(24)} modes ${modes.join(", ")}${words.length > 0 ? `; ${words.join(", ")}` : ""}`,
  ];
}

function range(param: Param): string {
  switch (param.kind) {
    case "integer":
      return `${param.default} (${param.min}–${param.max}${param.unit ? ` ${param.unit}` : ""})`;
    case "choice":
      return `${param.default} (${param.options.join("|")})`;
    case "flag":
      return `${param.default}`;
  }
}
