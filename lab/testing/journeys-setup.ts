import { startLab } from "./lab-under-test.ts";

/**
 * One embedded lab for all journeys, in a folder of its own; what it leaves behind fails the run. Real
 * programs that somebody names (`LAB_REAL`, `LAB_KEYCLOAK_BIN`, …) take the place of stand-ins.
 */
export default async function startLabForJourneys(): Promise<() => Promise<void>> {
  const named = Object.entries(process.env).filter(([name]) =>
    /^LAB_(REAL|[A-Z_]+_BIN)$/.test(name),
  );
  const lab = await startLab(undefined, [], Object.fromEntries(named));
  // Workers inherit the environment, and the configuration is read again in each of them.
  process.env.LAB_E2E_ORIGIN = lab.origin;
  // For the search for secrets in what the lab keeps.
  process.env.LAB_E2E_DIR = lab.dir;
  return () => lab.stop();
}
