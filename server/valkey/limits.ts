import type { Redis } from "iovalkey";
import { valkeyLimitsKey } from "#scenarios/names.ts";

/**
 * Puts back settings that a scenario changed and could not restore because the app ended in between.
 * They wait in Valkey itself: a Valkey that was restarted has neither the change nor the note of it.
 */
export async function restoreLimits(client: Redis): Promise<void> {
  const text = await client.get(valkeyLimitsKey);
  if (text === null) return;
  const settings = JSON.parse(text) as Readonly<Record<string, string>>;
  for (const [name, value] of Object.entries(settings)) await client.config("SET", name, value);
  await client.del(valkeyLimitsKey);
}
