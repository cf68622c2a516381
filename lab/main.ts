import { ScenarioFileError } from "#scenarios/catalogue.ts";
import { type Command, parseCommand } from "./cli/arguments.ts";
import { tellStarter } from "./cli/background.ts";
import { type Context, type ExitCode, printJson } from "./cli/context.ts";
import { usage, usageHint } from "./cli/usage.ts";
import { LabError } from "./errors.ts";
import { labDir } from "./state/lab-dir.ts";

/** `npm run lab`: arguments → verb → exit code. The only `process.exit` of the lab. */
async function main(): Promise<ExitCode> {
  const context: Context = {
    env: process.env,
    dir: labDir(process.env),
    live: process.stdout.isTTY === true && !process.env.CI,
    out: (line) => void process.stdout.write(`${line}\n`),
    say: (line) => void process.stderr.write(`${line}\n`),
  };
  const parsed = parseCommand(process.argv.slice(2));
  if (!parsed.ok) {
    context.say(`${parsed.problem}\n  hint: ${usageHint}`);
    return 3;
  }
  try {
    return await carryOut(parsed.command, context);
  } catch (error) {
    return await tell(asLabError(error), parsed.command, context);
  }
}

/** Each verb is loaded only when asked for: a start must not wait for the others' imports. */
async function carryOut(command: Command, context: Context): Promise<ExitCode> {
  switch (command.verb) {
    case "help":
      context.out(usage);
      return 0;
    case "start":
      return (await import("./cli/start.ts")).start(command, context);
    case "detach":
      return (await import("./cli/detach.ts")).detach(command, context);
    case "dev":
      return (await import("./cli/dev.ts")).dev(command, context);
    case "down":
      return (await import("./cli/down.ts")).down(command.json, context);
    case "status":
      return (await import("./cli/status.ts")).status(command.json, context);
    case "open":
      return (await import("./cli/open.ts")).open(context);
    case "doctor":
      return (await import("./cli/doctor.ts")).doctor(command.json, context);
    case "logs":
      return (await import("./cli/logs.ts")).logs(command.service, command.follow, context);
    case "schema": {
      const { expectationsJsonSchema } = await import("./judge/json-schema.ts");
      printJson(context, expectationsJsonSchema());
      return 0;
    }
    case "list":
      return (await import("./cli/list.ts")).list(command.json, context);
    case "run":
      return (await import("./cli/run.ts")).run(command, context);
    case "verify":
      return (await import("./cli/verify.ts")).verify(command, context);
    case "restart":
      return (await import("./cli/restart.ts")).restart(command.service, command.json, context);
    case "reset":
      return (await import("./cli/reset.ts")).reset(command.json, context);
  }
}

function asLabError(error: unknown): LabError {
  if (error instanceof LabError) return error;
  if (error instanceof ScenarioFileError) {
    return new LabError("scenario-unreadable", error.message, {
      hint: "Correct that file; npm run check tells what else is wrong with it.",
      cause: error,
    });
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new LabError("unexpected", text, {
    hint: "This is a defect of the lab. npm run lab -- doctor shows what is special about this machine.",
    cause: error,
  });
}

async function tell(
  { code, message, hint }: LabError,
  command: Command,
  context: Context,
): Promise<ExitCode> {
  context.say(`${message}\n  hint: ${hint}`);
  if ("json" in command && command.json) printJson(context, { error: { code, message, hint } });
  await tellStarter({ type: "failed", code, message, hint });
  return 1;
}

const code = await main();
// A write to a pipe is not finished when it returns.
process.stdout.write("", () => process.exit(code));
