import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LaunchContext } from "#lab/services/descriptor.ts";
import { valkey } from "#lab/services/valkey.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { pickPort } from "#lab/supervisor/ports.ts";
import { awaitReady } from "#lab/supervisor/probe.ts";
import { testSecrets } from "#lab/supervisor/testing/fake-descriptors.ts";
import type { ValkeyStandIn } from "../standin.ts";

/** Starts the real program as the lab does; why there is none, where the machine has none. */
export async function startRealValkey(): Promise<ValkeyStandIn | string> {
  const program = await findProgram(valkey, process.env);
  if (program.kind !== "real") return program.note ?? "there is only the stand-in";
  const serviceDir = await mkdtemp(join(tmpdir(), "lab-test-"));
  const port = await pickPort();
  const context = { port: () => port, secrets: testSecrets, serviceDir } as Partial<LaunchContext>;
  const command = await valkey.embedded.launch(program, context as LaunchContext);
  if ("begin" in command) return "it is no process of this machine";
  const child = spawn(command.file, command.args, {
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const probe = { port: () => port, secrets: testSecrets, serviceDir };
  await awaitReady(valkey.readiness, probe, AbortSignal.timeout(5_000), () => {});
  return {
    port,
    close: async () => {
      child.kill();
      await ended;
      await rm(serviceDir, { recursive: true, force: true });
    },
  };
}
