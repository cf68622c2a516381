import type { ErrorBody } from "../api/error.ts";
import { LabError } from "../errors.ts";

/** @param code of the thing that is not there, e.g. `unknown-run`. */
export const notFound = (code: string, message: string): LabError =>
  new LabError(code, message, {
    hint: "GET /lab/api/status and /lab/api/scenarios list what is here.",
  });

export const evidenceGone = (runId: string): LabError =>
  new LabError("evidence-gone", `The evidence of run ${runId} is not kept.`, {
    hint: "The lab keeps that of the newest runs, as many as fit into 64 MiB; run the scenario again.",
  });

const statuses: Readonly<Record<string, number>> = {
  "bad-request": 400,
  "bad-json": 400,
  "bad-mode": 400,
  "bad-params": 400,
  "unknown-scenario": 404,
  "unknown-run": 404,
  "evidence-gone": 404,
  "unknown-service": 404,
  "body-too-large": 413,
  "too-many-runs": 429,
  "store-unreachable": 503,
};
const retryable = new Set([429, 503]);

/** An error as answer. What is not a `LabError` was not meant for anybody's eyes. */
export function troubleOf(
  error: unknown,
): ErrorBody["error"] & { readonly status: number; readonly retryAfter?: string } {
  if (!(error instanceof LabError)) {
    return {
      status: 500,
      code: "internal",
      message: "The lab failed to answer this.",
      hint: "npm run lab -- doctor checks the usual causes.",
    };
  }
  const { code, message, hint } = error;
  const status = statuses[code] ?? 409;
  return { status, code, message, hint, ...(retryable.has(status) ? { retryAfter: "1" } : {}) };
}
