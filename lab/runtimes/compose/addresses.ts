import { hostName } from "#lab/services/container-recipe.ts";
import { containerRecipes } from "#lab/services/containers.ts";
import type { LaunchContext } from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";

/** `host:port` by which a container reaches a service; undefined when that has no such port. */
export async function addressOf(
  id: ServiceId,
  port: string | undefined,
  futurePortOf: LaunchContext["futurePortOf"],
): Promise<string | undefined> {
  if (id === "store" || id === "server") {
    const found = await futurePortOf(id, port);
    return found === undefined ? undefined : `${hostName}:${found}`;
  }
  const { ports } = containerRecipes[id];
  const found = port === undefined ? ports[0] : ports.find(({ name }) => name === port);
  return found === undefined ? undefined : `${id}:${found.container}`;
}
