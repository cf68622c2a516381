import { loadCatalogue } from "#scenarios/catalogue.ts";
import { serverEnv } from "./env.ts";
import { startServer } from "./server.ts";

await startServer(serverEnv(), await loadCatalogue());
