// A small service for tests, in plain JavaScript because it starts fastest. What it does comes in FAKE, as JSON.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const behaviour = JSON.parse(process.env.FAKE ?? "{}");
const port = Number(process.env.FAKE_PORT);

for (const line of behaviour.says ?? []) console.log(line);
if (behaviour.crashes !== undefined) process.exit(behaviour.crashes);
process.on("SIGTERM", () => {
  if (!behaviour.stubborn) process.exit(0);
});
if (behaviour.child) console.log(`child ${spawn("sleep", ["600"], { stdio: "ignore" }).pid}`);

if (process.env.LAB_BEGINS === "stdin") for await (const _ of process.stdin) break;

const server = createServer((request, response) => {
  if (request.url === "/crash") process.exit(7);
  if (request.url === "/env") response.end(JSON.stringify(process.env));
  response.statusCode = behaviour.status ?? 200;
  response.end(process.env.FAKE_SAYS ?? "");
});
server.listen(port, "127.0.0.1");
