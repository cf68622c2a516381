import { labServices } from "#lab/services/registry.ts";
import type { System } from "#lab/system.ts";
import { openLocalSystem, type RuntimeOptions } from "./local-system.ts";

/** The lab without containers: every service is a process of this machine. */
export const openEmbedded = (options: RuntimeOptions): System =>
  openLocalSystem("embedded", labServices, options);
