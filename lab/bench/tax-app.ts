import { setTimeout as wait } from "node:timers/promises";
import Koa from "koa";

/** The app whose requests are priced: three named middlewares and a 1 ms wait. `/healthz`, which no variant traces, tells the process's CPU time in µs. */
const app = new Koa();
app.use(async function countRequests(_ctx, next) {
  await next();
});
app.use(async function answerCpu(ctx, next) {
  if (ctx.path !== "/healthz") return next();
  const { user, system } = process.cpuUsage();
  ctx.body = { cpuMicroseconds: user + system };
});
app.use(async function answerOrder(ctx) {
  await wait(1);
  ctx.body = { id: 1, status: "paid", total: 12.5 };
});
const server = app.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) console.log(`port ${address.port}`);
});
