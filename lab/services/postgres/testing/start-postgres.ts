// A lab with nothing but PostgreSQL, for tests that need it in a process of its own. Arguments: state folder.
import { postgres } from "#lab/services/postgres.ts";
import { loadSecrets } from "#lab/state/secrets.ts";
import { openSupervisor } from "#lab/supervisor/supervisor.ts";

const dir = process.argv[2] ?? "";
const supervisor = openSupervisor({
  descriptors: [postgres],
  dir,
  secrets: await loadSecrets(dir),
  origin: "http://localhost:4700",
  env: process.env,
  version: "0",
});
// Whoever started us may have gone.
process.stdout.on("error", () => {});
supervisor.subscribe((row) => console.log(JSON.stringify(row)));
process.on("SIGTERM", async () => {
  await supervisor.shutdown();
  process.exit(0);
});
await supervisor.ready().catch((error) => {
  console.log(JSON.stringify({ failure: error.code }));
});
