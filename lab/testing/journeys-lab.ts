/** The lab that a journey visits. */
export interface JourneysLab {
  readonly origin: string;
  /** Its state folder, for the search for secrets in what the lab keeps. */
  readonly dir: string;
}

const variable = "LAB_E2E_LABS";

/** Hands one lab to each worker: workers inherit the environment, and read the configuration again. */
export function labsForWorkers(labs: readonly JourneysLab[]): void {
  process.env[variable] = JSON.stringify(labs.map(({ origin, dir }) => ({ origin, dir })));
}

/** The lab of this worker; undefined before there is one. */
export function labOfWorker(): JourneysLab | undefined {
  const labs = JSON.parse(process.env[variable] ?? "[]") as readonly JourneysLab[];
  // https://playwright.dev/docs/test-parallel#worker-index-and-parallel-index
  return labs[Number(process.env.TEST_PARALLEL_INDEX ?? 0)];
}
