// A lab to be killed by tests: starts fake services and tells their pids and ports. Settings come in LAB_PROCESS, as JSON.
import { openSupervisor } from "../supervisor.ts";
import { fakeService, testSecrets } from "./fake-descriptors.ts";

const { dir, leash, stubborn, pauses } = JSON.parse(process.env.LAB_PROCESS ?? "{}");
const supervisor = openSupervisor({
  descriptors: [
    fakeService("store", { stubborn, child: true }),
    fakeService("server", { dependsOn: ["store"] }),
  ],
  dir,
  leash,
  secrets: testSecrets,
  origin: "http://localhost:4700",
  env: process.env,
  version: "0",
});
supervisor.subscribe(({ id, state, pid, port }) => {
  console.log(JSON.stringify({ id, state, pid, port }));
});
await supervisor.ready();
const child = /child (\d+)/.exec((await supervisor.log("store", 50)).join("\n"))?.[1];
console.log(JSON.stringify({ ready: true, child: Number(child) }));
if (pauses) {
  // Stands still most of the time, so that a kill at any moment finds it so sooner or later.
  setInterval(() => {
    void supervisor.resume("store").then(() => supervisor.pause("store"));
  }, 10);
}
process.on("SIGTERM", async () => {
  await supervisor.shutdown();
  process.exit(0);
});
