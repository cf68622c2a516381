import { expect, test } from "vitest";
import { parseCommand } from "./arguments.ts";

const command = (line: string) => {
  const parsed = parseCommand(line === "" ? [] : line.split(" "));
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.command;
};
const problem = (line: string): string => {
  const parsed = parseCommand(line.split(" "));
  return parsed.ok ? `understood as ${parsed.command.verb}` : parsed.problem;
};

test("nothing at all starts the lab in the foreground", () => {
  expect(command("")).toEqual({
    verb: "start",
    runtime: undefined,
    open: true,
    untilReady: false,
    token: false,
  });
});

test("up starts like no verb, and --detach sends it to the background", () => {
  expect(command("up")).toEqual(command(""));
  expect(command("up --detach --no-open").verb).toBe("detach");
  expect(command("up --detach --no-open")).toMatchObject({ open: false });
});

test("flags may stand before or behind the verb", () => {
  expect(command("--json status")).toEqual(command("status --json"));
});

test("parameters become numbers, flags or words", () => {
  expect(
    command("run db.n-plus-one --param n=50 --param lazy=true --param by=id --param text=a=b"),
  ).toEqual({
    verb: "run",
    scenario: "db.n-plus-one",
    mode: "fault",
    params: { n: 50, lazy: true, by: "id", text: "a=b" },
    seed: undefined,
    json: false,
  });
});

test.each([
  ["sing", "no verb"],
  ["examine", "There are: up"],
  ["status --follow", "--follow does not go with"],
  ["--bogus", "--bogus"],
  ["run", "needs a scenario"],
  ["logs", "needs a service"],
  ["down server", 'does not take "server"'],
  ["--runtime podman", "embedded or compose"],
  ["run a.b --mode broken", "fault, control, fix"],
  ["run a.b --param n", "name=value"],
  ["run a.b --seed=-1", "--seed"],
  ["up --detach --until-ready", "does not go with --detach"],
])("refuses `%s` and says why", (line, part) => {
  expect(problem(line)).toContain(part);
});

test("--help wins over everything else", () => {
  expect(command("run --help").verb).toBe("help");
});

test("verify takes any number of scenarios", () => {
  expect(command("verify")).toEqual({
    verb: "verify",
    scenarios: [],
    selfTest: false,
    strict: false,
    seed: undefined,
    junit: undefined,
    json: false,
  });
  expect(command("verify db.a db.b --self-test --junit out.xml --json")).toMatchObject({
    ...{ scenarios: ["db.a", "db.b"], selfTest: true, junit: "out.xml", json: true },
  });
  expect(command("verify --strict --seed 7")).toMatchObject({ strict: true, seed: 7 });
  expect(command("verify --judge store")).toMatchObject({ judge: "store" });
  expect(command("run db.a --judge backends")).toMatchObject({ judge: "backends" });
  expect(problem("verify --judge me")).toBe('--judge is store or backends, not "me".');
  expect(problem("verify --seed x")).toContain("--seed is a whole number");
  expect(problem("verify --mode fix")).toContain("--mode does not go with");
});
