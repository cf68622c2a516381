import { createRequire } from "node:module";

/**
 * Sentry's SDK, as the CommonJS build of its package: the same code, whose 570 files load in half the
 * time and with a third less memory than as ES modules. Nothing else here imports the package.
 */
export const Sentry: typeof import("@sentry/node") = createRequire(import.meta.url)("@sentry/node");
