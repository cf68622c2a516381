/**
 * Loaded with `--import`, before anything else: what is imported before the hook below cannot be
 * instrumented any more. So this file imports nothing that is patched, and the rest comes later.
 */

import { register } from "node:module";
import {
  register as registerSync,
  supportsSyncHooks,
} from "import-in-the-middle/register-hooks.mjs";

// The synchronous hook runs in this thread: no loader thread to start, no round trip per module.
if (supportsSyncHooks()) registerSync({ include: ["koa", "http", "https"] });
else register("@opentelemetry/instrumentation/hook.mjs", import.meta.url);

const { startTelemetry } = await import("./telemetry/start.ts");
const { serverEnv } = await import("./env.ts");
startTelemetry(serverEnv());
