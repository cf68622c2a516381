import type { Catalogue } from "#scenarios/catalogue.ts";
import type { Requirement, Scenario } from "#scenarios/define.ts";
import type { Mode } from "#scenarios/mode.ts";
import { type ParamValues, parseParams } from "#scenarios/params.ts";
import type { CreateRun } from "../api/run-request.ts";
import type { ServiceStatus } from "../api/services.ts";
import { LabError } from "../errors.ts";
import type { ServiceId } from "../services/ids.ts";

/** A request that may become a run, checked and completed. */
export interface Admitted {
  readonly scenario: Scenario;
  readonly mode: Mode;
  readonly params: ParamValues;
}

/** Why a scenario cannot be judged as it is written, by its id. */
export type Unfit = ReadonlyMap<string, string>;

/**
 * Checks a request against the catalogue and the services as they are now.
 * @throws LabError `unknown-scenario`, `scenario-unfit`, `bad-mode`, `bad-params` or `requirement-missing`, or
 * `requirement-absent` where waiting would not help.
 */
export function admit(
  request: CreateRun,
  catalogue: Catalogue,
  services: readonly ServiceStatus[],
  unfit?: Unfit,
): Admitted {
  const scenario = catalogue.get(request.scenario);
  if (scenario === undefined) {
    throw new LabError("unknown-scenario", `There is no scenario "${request.scenario}".`, {
      hint: "npm run lab -- list shows them all; the lab knows those that were there when it started.",
    });
  }
  const mode = request.mode ?? "fault";
  if (!scenario.modes.includes(mode)) {
    throw new LabError("bad-mode", `${scenario.id} has no mode "${mode}".`, {
      hint: `Use ${scenario.modes.join(" or ")}.`,
    });
  }
  const params = parseParams(scenario.params, request.params ?? {});
  if (!params.ok) {
    throw new LabError("bad-params", `${scenario.id}: ${params.problems.join("; ")}.`, {
      hint: "Its card and npm run lab -- list show the limits.",
    });
  }
  const problem = unfit?.get(scenario.id);
  if (problem !== undefined) throw unfitError(scenario, problem);
  const reason = disabledReason(scenario, services);
  if (reason !== null) {
    const code = comesBack(scenario, services) ? "requirement-missing" : "requirement-absent";
    throw new LabError(code, `${scenario.id} cannot run now: ${reason}`, {
      hint: "The Services page shows the state of each service and can start it.",
    });
  }
  return { scenario, mode, params: params.values };
}

/** @param problem what is wrong with it, with file and line. */
export const unfitError = ({ id }: Scenario, problem: string): LabError =>
  new LabError("scenario-unfit", `${id} cannot be judged as it is written.`, { hint: problem });

/** Whether what the scenario lacks may be there in a moment: it is not, where this lab has no such program. */
const comesBack = (scenario: Scenario, services: readonly ServiceStatus[]): boolean =>
  neededBy(scenario).every((id) => {
    const row = services.find((service) => service.id === id);
    return row !== undefined && row.state !== "unavailable";
  }) && (scenario.requires ?? []).every((it) => missing(it, asIfReady(services)) === null);

const asIfReady = (services: readonly ServiceStatus[]): readonly ServiceStatus[] =>
  services.map((row) => ({ ...row, state: "ready" }));

/** Why the scenario cannot run as it is written and with the services as they are; null when it can. */
export function disabledReason(
  scenario: Scenario,
  services: readonly ServiceStatus[],
  unfit?: Unfit,
): string | null {
  const problem = unfit?.get(scenario.id);
  if (problem !== undefined) return problem;
  for (const id of neededBy(scenario)) {
    const row = services.find((service) => service.id === id);
    if (row === undefined) return `there is no ${id} here.`;
    const reason = notReady(row);
    if (reason !== null) return reason;
  }
  return scenario.requires?.map((it) => missing(it, services)).find((it) => it !== null) ?? null;
}

function neededBy({ leases = [], needs = [], serve }: Scenario): readonly ServiceId[] {
  const leased = leases.filter((lease) => lease !== "metrics");
  const needed = new Set<ServiceId>([
    ...leased.map((lease) => (lease === "collector" ? "store" : lease)),
    ...needs,
    ...(serve === undefined ? [] : ["server" as const]),
  ]);
  return [...needed];
}

/** What a person can do about it differs by state; null when it is ready. */
function notReady({ id, state, note }: ServiceStatus): string | null {
  switch (state) {
    case "ready":
      return null;
    case "waiting":
    case "preparing":
    case "starting":
      return `${id} is ${state}; it will be ready soon.`;
    case "backing-off":
      return `${id} is backing-off after a crash and starts again by itself.`;
    case "stopping":
    case "stopped":
      return `${id} is ${state}; start it first.`;
    case "crash-looping":
      return `${id} is crash-looping; its log says why.`;
    case "unavailable":
      return `${id} is unavailable. ${note ?? ""}`.trim();
  }
}

function missing(requirement: Requirement, services: readonly ServiceStatus[]): string | null {
  switch (requirement) {
    case "real valkey": {
      const valkey = services.find((service) => service.id === "valkey");
      return valkey?.kind === "real" && valkey.state === "ready"
        ? null
        : "it needs a real Valkey or Redis server.";
    }
    case "s3 stand-in": {
      const minio = services.find((service) => service.id === "minio");
      return minio?.kind === "stand-in"
        ? null
        : "only the lab's S3 stand-in refuses calls on request; a real MinIO does not.";
    }
    // The driver's side: it either has a browser and a session or says so itself.
    case "chromium":
    case "signed-in":
      return null;
  }
}
