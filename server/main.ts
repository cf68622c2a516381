import { loadCatalogue } from "#scenarios/catalogue.ts";
import { serverEnv } from "./env.ts";
import { startServer } from "./server.ts";

const catalogue = await loadCatalogue();
if (process.env.LAB_BEGINS === "stdin") await firstLine();
await startServer(serverEnv(), catalogue);

/** Whoever started this process says by it that the database is there. */
async function firstLine(): Promise<void> {
  for await (const _ of process.stdin) return;
}
