import { routes } from "#lab/api/routes.ts";
import type { EvidenceQuery } from "./finding.ts";

/** Where answer, page observations, restarts and exit codes of a run can be read. */
export const runRecordQuery = (runId: string): EvidenceQuery => ({
  language: "http",
  text: `GET ${routes.run(runId)}`,
});

/** Where everything that was gathered of a run can be read. */
export const runEvidenceQuery = (runId: string): EvidenceQuery => ({
  language: "http",
  text: `GET ${routes.evidence(runId)}`,
});
