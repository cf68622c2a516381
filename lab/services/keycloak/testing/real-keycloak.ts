/**
 * The real Keycloak as tests start it: a process with the settings of the stand-in's, that says the
 * same when it is ready. Where this machine has none it says why, and ends with 0.
 */
import { spawn } from "node:child_process";
import { keycloak } from "#lab/services/keycloak.ts";
import { settingsOf } from "#lab/standins/keycloak/settings.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { pickPort } from "#lab/supervisor/ports.ts";
import { awaitReady } from "#lab/supervisor/probe.ts";
import { testSecrets } from "#lab/supervisor/testing/fake-descriptors.ts";
import { keycloakCommand } from "../command.ts";
import { distributionOf } from "../distribution.ts";
import { openHome } from "../home.ts";
import { writeRealm } from "../realm.ts";

const say = (msg: string, fields: object): void =>
  void process.stdout.write(`${JSON.stringify({ msg, ...fields })}\n`);

const program = await findProgram(keycloak, { ...process.env, LAB_REAL: "keycloak" });
if (program.kind !== "real") {
  say("no identity provider", { reason: program.note });
  process.exit(0);
}
const { client, dir, user } = settingsOf(process.env);
const [port, managementPort] = [await pickPort(), await pickPort()];
const issuer = `http://localhost:${port}/realms/lab`;
const secrets = { ...testSecrets, oidcClientSecret: client.secret, userPassword: user.password };
const realms = await writeRealm(dir, client.origin, secrets);
const distribution = { path: distributionOf(program), version: program.version };
const script = await openHome(`${dir}/home`, distribution, realms);
const command = keycloakCommand({ script, cwd: dir, port, managementPort, issuer }, secrets);
const child = spawn(command.file, command.args, {
  cwd: command.cwd,
  env: { ...process.env, ...command.env },
  stdio: ["ignore", "inherit", "inherit"],
});
process.once("SIGTERM", () => child.kill("SIGTERM"));
child.once("exit", () => process.exit(0));
await awaitReady(
  keycloak.readiness,
  { port: () => port, secrets, serviceDir: dir },
  AbortSignal.timeout(keycloak.startTimeoutMs),
  () => {},
);
say("identity provider ready", { issuer });
