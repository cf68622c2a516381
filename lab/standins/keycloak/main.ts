/**
 * The stand-in for Keycloak as a process; its settings come by environment, see `settings.ts`.
 * SIGTERM and SIGINT end it with 0.
 */
import "./quiet-notice.ts";
import { LabError } from "#lab/errors.ts";
import { openIdentityServer } from "./identity-server.ts";
import { settingsOf } from "./settings.ts";

/** One JSON line per event; it never holds anything a client sent. */
function log(level: "info" | "error", msg: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ level, time: Date.now(), msg, ...fields })}\n`);
}

const startedAt = performance.now();
try {
  const server = await openIdentityServer(settingsOf(process.env), (error) =>
    log("error", "request failed", { error: error instanceof Error ? error.stack : "unknown" }),
  );
  log("info", "identity provider ready", {
    port: server.port,
    issuer: server.issuer,
    ms: Math.round(performance.now() - startedAt),
  });
  const stop = (signal: NodeJS.Signals): void => {
    log("info", "identity provider stopped", { signal });
    void server.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
} catch (error) {
  const told = error instanceof LabError ? { code: error.code, hint: error.hint } : {};
  log("error", error instanceof Error ? error.message : "cannot start", told);
  process.exit(1);
}
