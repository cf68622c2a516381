import type { Env } from "#lab/state/lab-dir.ts";
import { mayHaveContainers, type RuntimeName, readRuntime } from "#lab/state/runtime-choice.ts";

/** Where a lab is to run. */
export interface Machine {
  /** The lab's state folder. */
  readonly dir: string;
  readonly env: Env;
  /**
   * Longest that a container engine may keep a start waiting that did not ask for it. 300 ms unless
   * told; 3 s where the last start used containers, whose data this one would miss.
   */
  readonly engineMs?: number;
}

const engineLimitMs = { strange: 300, known: 3_000 };

/** The runtime of a start. */
export interface Choice {
  readonly runtime: RuntimeName;
  /** The lab took it by itself: when it turns out not to work, the other one does. */
  readonly automatic: boolean;
  /** What a person should know about it: why it is this one, and how to get the other. */
  readonly line: string;
}

const fullStack = "The full stack with Grafana, Tempo, Loki and Prometheus";
const inContainers = "npm run lab -- --runtime compose";
const embeddedLine = (how: string): string => `Embedded runtime: no containers. ${how}`;
const composeLine = (why: string): string =>
  `Compose runtime: services in containers${why}. Without them: npm run lab -- --runtime embedded`;

/**
 * What was asked for now, else what was last asked for here, else containers when everything for
 * them is on this machine already, else processes. In CI, and where programs of this machine are
 * named, containers have to be asked for.
 */
export async function chooseRuntime(
  asked: RuntimeName | undefined,
  { dir, env, engineMs }: Machine,
): Promise<Choice> {
  const wanted = asked ?? (await readRuntime(dir));
  switch (wanted) {
    case "compose":
      return { runtime: wanted, automatic: false, line: composeLine("") };
    case "embedded":
      return {
        runtime: wanted,
        automatic: false,
        line: embeddedLine(`${fullStack}, where Docker is: ${inContainers}`),
      };
    case undefined:
      return chooseByHoldings(
        env,
        engineMs ?? engineLimitMs[(await mayHaveContainers(dir)) ? "known" : "strange"],
      );
  }
}

async function chooseByHoldings(env: Env, engineMs: number): Promise<Choice> {
  const embedded = (how: string): Choice => ({
    runtime: "embedded",
    automatic: true,
    line: embeddedLine(how),
  });
  if (env.CI || namesPrograms(env))
    return embedded(`${fullStack}, where Docker is: ${inContainers}`);
  const { lookForAll } = await import("./compose/all-here.ts");
  const found = await lookForAll(env, engineMs);
  switch (found.kind) {
    case "all":
      return {
        runtime: "compose",
        automatic: true,
        line: composeLine(", because Docker, Compose and all images are here"),
      };
    case "images-missing":
      return embedded(
        `${fullStack}: ${inContainers} (pulls ${found.missing} of ${found.of} images)`,
      );
    case "no-compose":
      return embedded(`${fullStack} needs Docker Compose beside Docker, then: ${inContainers}`);
    case "engine-silent":
      return embedded(`Docker did not answer in time. ${fullStack}: ${inContainers}`);
    case "no-engine":
      return embedded(`${fullStack} needs a running Docker, then: ${inContainers}`);
  }
}

/** Whoever names real programs for services wants those. */
const namesPrograms = (env: Env): boolean =>
  Object.entries(env).some(([name, value]) => value && /^LAB_(REAL|[A-Z_]+_BIN)$/.test(name));
