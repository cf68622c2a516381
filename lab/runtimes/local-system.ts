import type { ServiceStatus } from "#lab/api/services.ts";
import { openProxies, proxyTargets } from "#lab/faults/proxies.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import { telemetryEntrance } from "#lab/services/telemetry-entrance.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { labVersion } from "#lab/state/lab-version.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import { openSupervisor } from "#lab/supervisor/supervisor.ts";
import type { System } from "#lab/system.ts";
import type { ProxyTarget } from "#scenarios/fault.ts";
import { openFactReader } from "./embedded-facts.ts";

export interface RuntimeOptions {
  /** The lab's state folder. */
  readonly dir: string;
  readonly secrets: Secrets;
  /** Canonical origin, e.g. `http://localhost:4700`. */
  readonly origin: string;
  readonly env: Env;
}

/** The proxy in front of a service; where there is no Collector, the store takes in what it would. */
const targetOf: Partial<Readonly<Record<ServiceStatus["id"], ProxyTarget>>> = {
  postgres: "postgres",
  valkey: "valkey",
  minio: "minio",
  keycloak: "keycloak",
  collector: "collector",
  store: "collector",
};

/**
 * Services of this machine under one supervisor, those that faults are put on behind the lab's
 * proxies. Starts all of them at once, in the background.
 */
export function openLocalSystem(
  runtime: System["runtime"],
  descriptors: readonly ServiceDescriptor[],
  options: RuntimeOptions,
): System {
  const proxies = openProxies();
  const supervisor = openSupervisor({
    ...options,
    descriptors,
    version: labVersion(),
    appPortOf: proxies.portOf,
  });
  const facts = openFactReader(supervisor, options.secrets);
  const aim = ({ id }: ServiceStatus): void => {
    const target = targetOf[id];
    if (target === undefined) return;
    const rows = supervisor.services();
    const behind = target === "collector" ? telemetryEntrance(rows) : target;
    const row = rows.find((one) => one.id === behind);
    if (row === undefined) return;
    const runs = row.pid !== null || row.container !== undefined;
    proxies.aim(target, runs ? row.port : null);
  };
  const ports = new Map<ProxyTarget, number>();
  for (const target of proxyTargets) {
    // A proxy that cannot listen is told to whoever needs its port.
    proxies.portOf(target).then(
      (port) => ports.set(target, port),
      () => {},
    );
  }
  supervisor.subscribe(aim);
  for (const row of supervisor.services()) aim(row);
  return {
    ...supervisor,
    runtime,
    arm: proxies.arm,
    armed: proxies.armed,
    appUrl(target) {
      const port = ports.get(target);
      return port === undefined ? undefined : `http://127.0.0.1:${port}`;
    },
    facts: facts.read,
    shutdown: async () => {
      // The app drains through its connections, so they are mended before and ended after.
      void proxies.calm();
      await facts.close();
      await supervisor.shutdown();
      await proxies.close();
    },
  };
}
