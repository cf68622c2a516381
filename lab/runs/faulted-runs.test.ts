import { expect, test } from "vitest";
import { kill, proxy, stop } from "#scenarios/fault.ts";
import { scenario } from "../front-door/testing/door-under-test.ts";
import { differences } from "./snapshot.ts";
import { ended, openRunsUnderTest, root, traceId } from "./testing/runs-under-test.ts";

const cut = scenario({
  id: "db.cut",
  modes: ["fault", "control", "fix"],
  faults: () => [proxy("postgres").down(), proxy("valkey").latency({ ms: 5 })],
});
const other = scenario({ id: "db.other" });

test("faults are armed before the ticket is handed out, in fault and fix only, and end with the driver", async () => {
  await using lab = await openRunsUnderTest([cut]);
  const { runs, double, store, until } = lab;
  const { runId } = await runs.create({ scenario: "db.cut", mode: "fault" });
  const broken = ["arm postgres down", "arm valkey latency"];
  expect(double.calls.filter((call) => /^arm/.test(call))).toEqual(broken);
  runs.observe(runId, ended);
  expect(double.calls.filter((call) => /^disarm/.test(call))).toHaveLength(2);
  store.add({ traceId, runId, spans: [root] });
  await until((run) => run.state === "settled");

  const before = double.calls.length;
  await runs.create({ scenario: "db.cut", mode: "control" });
  expect(double.calls.slice(before).filter((call) => /^arm/.test(call))).toEqual([]);
});

test("a fault with a time of its own outlasts the driver, and the run waits for its end", async () => {
  const brief = scenario({
    id: "db.brief",
    faults: () => [proxy("postgres").hang({ forMs: 300 })],
  });
  await using lab = await openRunsUnderTest([brief]);
  const { runs, double, store, changes, until } = lab;
  const { runId, ticket } = await runs.create({ scenario: "db.brief" });
  runs.requested(ticket);
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  expect(double.calls).not.toContain("disarm postgres hang");
  const endedAt = runs.get(runId)?.endedAt;
  await until((run) => run.state === "settled");
  expect(double.calls).toContain("disarm postgres hang");
  // When the driver ended, and not when the fault did.
  expect(changes.at(-1)?.endedAt).toBe(endedAt);
});

test("a fault that waits for its time is broken then, and never when the driver has ended before", async () => {
  const late = scenario({
    id: "db.late",
    faults: () => [
      proxy("postgres").hang({ afterMs: 50, forMs: 100 }),
      proxy("valkey").down({ afterMs: 60_000 }),
    ],
  });
  await using lab = await openRunsUnderTest([late]);
  const { runs, double, store, until } = lab;
  const { runId, ticket } = await runs.create({ scenario: "db.late" });
  runs.requested(ticket);
  expect(double.calls.filter((call) => /^arm/.test(call))).toEqual([]);
  await expect.poll(() => double.calls).toContain("arm postgres hang");
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  await until((run) => run.state === "settled");
  expect(double.calls).toContain("disarm postgres hang");
  expect(double.calls).not.toContain("arm valkey down");
});

test("the time of a fault begins with the run's request, and what never began ends with the driver", async () => {
  const timed = scenario({
    id: "db.timed",
    faults: () => [proxy("postgres").hang({ forMs: 1 }), proxy("valkey").down({ afterMs: 1 })],
  });
  await using lab = await openRunsUnderTest([timed]);
  const { runs, double, store, until } = lab;
  const first = await runs.create({ scenario: "db.timed" });
  runs.requested(`${first.ticket}forged`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(double.calls).toContain("arm postgres hang");
  expect(double.calls).not.toContain("disarm postgres hang");
  expect(double.calls).not.toContain("arm valkey down");
  store.add({ traceId, runId: first.runId, spans: [root] });
  runs.observe(first.runId, ended);
  await until((run) => run.state === "settled");
  expect(double.calls).toContain("disarm postgres hang");
  expect(double.calls).not.toContain("arm valkey down");

  const before = double.calls.length;
  const second = await runs.create({ scenario: "db.timed" });
  runs.requested(second.ticket);
  await expect
    .poll(() => double.calls.slice(before))
    .toEqual(expect.arrayContaining(["disarm postgres hang", "arm valkey down"]));
});

test("a run whose driver dies ends at its deadline, and what it broke is mended", async () => {
  const short = scenario({
    id: "db.short",
    timeoutMs: -9_800,
    faults: () => [proxy("minio").reset()],
  });
  await using lab = await openRunsUnderTest([short]);
  await lab.runs.create({ scenario: "db.short" });
  expect(lab.double.calls).not.toContain("disarm minio reset");
  await lab.until((run) => run.state === "expired");
  expect(lab.double.calls).toContain("disarm minio reset");
});

test("a run whose driver goes away is abandoned: what it broke is mended and what it held is free, long before its deadline", async () => {
  const alone = scenario({
    ...{ id: "db.alone", leases: ["server"], timeoutMs: 60_000 },
    faults: () => [proxy("minio").reset(), proxy("valkey").hang({ forMs: 60_000 })],
  });
  await using lab = await openRunsUnderTest([alone]);
  const { runs, drivers, double, until } = lab;
  const left = drivers.arrived("page-that-is-closed");
  const { runId } = await runs.create({ scenario: "db.alone", client: "page-that-is-closed" });
  const next = runs.create({ scenario: "db.alone", mode: "fault", waitMs: 10_000 });
  expect(double.calls).not.toContain("disarm minio reset");
  left();
  const run = await until(({ state }) => state === "abandoned");
  expect(run).toMatchObject({ runId, verdict: "inconclusive", driver: null });
  expect(run.checks[0]?.seen).toMatch(/then the run was closed$/);
  expect(double.calls).toEqual(
    expect.arrayContaining(["disarm minio reset", "disarm valkey hang", "unlease server"]),
  );
  expect((await next).runId).not.toBe(runId);
});

test("whoever never comes is given up, while whoever comes back in time, drives for others, or has told the end is not", async () => {
  const free = scenario({ id: "db.free" });
  await using lab = await openRunsUnderTest([free]);
  const { runs, drivers, store, until, changes } = lab;
  const left = drivers.arrived("page-with-a-hiccup");
  const { runId } = await runs.create({ scenario: "db.free", client: "page-with-a-hiccup" });
  const other = await runs.create({ scenario: "db.free" });
  left();
  const leftAgain = drivers.arrived("page-with-a-hiccup");
  // A second tab, and one that drives nothing.
  drivers.arrived("page-that-only-looks")();
  store.add({ traceId, runId, spans: [root] });
  // Whoever never comes is waited for longer than whoever left.
  const late = await runs.create({ scenario: "db.free", client: "page-that-never-came" });
  await until((run) => run.runId === late.runId && run.state === "abandoned");
  expect([runId, other.runId].map((id) => runs.get(id)?.state)).toEqual(["driving", "driving"]);
  runs.observe(runId, ended);
  leftAgain();
  await until((run) => run.runId === runId && run.state === "settled");
  const abandoned = changes.filter(({ state }) => state === "abandoned");
  expect(new Set(abandoned.map((run) => run.runId))).toEqual(new Set([late.runId]));
});

test("a service that was stopped comes back, and the run settles only once it is ready again", async () => {
  const away = scenario({ id: "cache.away", faults: () => [stop("valkey")] });
  await using lab = await openRunsUnderTest([away, other]);
  const { runs, double, store, until } = lab;
  double.setRow("valkey", { state: "ready" });
  const { runId } = await runs.create({ scenario: "cache.away" });
  double.setRow("valkey", { state: "stopped" });
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  expect(double.calls).toContain("start valkey");
  // Others that wait for no service end meanwhile, one after the other.
  for (const otherId of ["b", "c", "d", "e"].map((digit) => digit.repeat(32))) {
    const { runId: free } = await runs.create({ scenario: "db.other" });
    store.add({ traceId: otherId, runId: free, spans: [root] });
    runs.observe(free, { ...ended, traceId: otherId });
    await until((run) => run.runId === free && run.state === "settled");
  }
  expect(runs.get(runId)?.state).toBe("settling");
  double.setRow("valkey", { state: "ready" });
  const run = await until((found) => found.runId === runId && found.state === "settled");
  expect(run.checks.map(({ title }) => title)).not.toContain("The lab is as it was");
});

test("a crash that a fault causes counts as leased until the run ends", async () => {
  const crash = scenario({ id: "run.crash", faults: () => [kill("server")] });
  await using lab = await openRunsUnderTest([crash]);
  const { runs, double, store, until } = lab;
  const { runId } = await runs.create({ scenario: "run.crash" });
  expect(double.calls).toEqual(expect.arrayContaining(["lease server", "kill server"]));
  expect(double.calls.indexOf("lease server")).toBeLessThan(double.calls.indexOf("kill server"));
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  await until((run) => run.state === "settled");
  expect(double.calls).toContain("unlease server");
});

test("nobody breaks what another run breaks or needs, and both are told which run it is", async () => {
  const cached = scenario({ id: "cache.used", needs: ["valkey"] });
  const slow = scenario({ id: "cache.slow", faults: () => [proxy("valkey").latency({ ms: 9 })] });
  await using lab = await openRunsUnderTest([cut, other, cached, slow]);
  const { runs, double, store, until } = lab;
  double.setRow("valkey", { state: "ready" });
  const { runId } = await runs.create({ scenario: "db.cut" });
  // Every scenario that the app serves needs its database.
  for (const id of ["db.cut", "db.other", "cache.used", "cache.slow"]) {
    expect(await runs.create({ scenario: id }).catch((error: unknown) => error)).toMatchObject({
      code: "lease-held",
      message: expect.stringContaining(runId),
    });
  }
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  await until((run) => run.state === "settled");
  // The other way round: who needs it is not disturbed.
  const user = await runs.create({ scenario: "cache.used" });
  expect(
    await runs.create({ scenario: "cache.slow" }).catch((error: unknown) => error),
  ).toMatchObject({
    code: "lease-held",
    message: expect.stringContaining(user.runId),
  });
  await runs.create({ scenario: "db.other" });
});

test("a fault that cannot be armed ends the request, and leaves nothing armed or leased", async () => {
  const broken = scenario({
    id: "db.unarmed",
    faults: () => [proxy("postgres").down(), proxy("keycloak").down()],
  });
  await using lab = await openRunsUnderTest([broken]);
  const { system } = lab.double;
  const { arm } = system;
  Object.assign(system, {
    arm: (...[target, toxic]: Parameters<typeof arm>) =>
      target === "keycloak" ? Promise.reject(new Error("no such proxy")) : arm(target, toxic),
  });
  const create = () => lab.runs.create({ scenario: "db.unarmed" });
  expect(await create().catch(String)).toBe("Error: no such proxy");
  expect(lab.double.calls).toContain("disarm postgres down");
  expect(system.armed()).toEqual([]);
  Object.assign(system, { arm });
  await create();
});

test("what a run leaves behind fails it, and says what it is", async () => {
  await using lab = await openRunsUnderTest([other]);
  const { runs, double, store, until } = lab;
  const indexes = { what: "indexes of the shop", of: "postgres" as const };
  double.facts.push({ ...indexes, values: ["orders_pkey", "orders_customer"] });
  const { runId } = await runs.create({ scenario: "db.other" });
  double.facts.splice(0, 1, { ...indexes, values: ["orders_pkey"] });
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  const run = await until(({ state }) => state === "settled");
  expect(run.verdict).toBe("fail");
  expect(run.checks.at(-1)).toMatchObject({
    title: "The lab is as it was",
    state: "fail",
    seen: "indexes of the shop: was orders_customer, is nothing more",
  });
});

test("what goes back by itself a moment later is no difference", async () => {
  await using lab = await openRunsUnderTest([other]);
  const { runs, double, store, until } = lab;
  const { runId } = await runs.create({ scenario: "db.other" });
  const mend = await double.system.arm("minio", { kind: "down" });
  store.add({ traceId, runId, spans: [root] });
  runs.observe(runId, ended);
  setTimeout(mend, 45);
  expect((await until(({ state }) => state === "settled")).checks.at(-1)?.title).not.toBe(
    "The lab is as it was",
  );
});

test("a snapshot differs by what is gone or new, not by what other runs may change or what became ready", () => {
  const before = [
    { what: "broken connections", of: null, values: [] },
    { what: "Valkey's maxmemory", of: "valkey" as const, values: ["0"] },
  ];
  const after = [
    { what: "broken connections", of: null, values: ["hang on valkey"] },
    { what: "Valkey's maxmemory", of: "valkey" as const, values: ["1048576"] },
    { what: "state of keycloak", of: "keycloak" as const, values: ["ready"] },
  ];
  expect(differences(before, after, new Set())).toEqual([
    "broken connections: was nothing more, is hang on valkey",
    "Valkey's maxmemory: was 0, is 1048576",
  ]);
  expect(differences(before, after, new Set(["valkey"]))).toEqual([]);
  expect(differences(before, [], new Set())).toHaveLength(2);
  expect(differences(before, before, new Set())).toEqual([]);
});

test("a service that is needed and not ready is named with its state", async () => {
  const cached = scenario({ id: "cache.needs", needs: ["valkey"] });
  await using lab = await openRunsUnderTest([cached]);
  const create = () =>
    lab.runs.create({ scenario: "cache.needs" }).catch((error: unknown) => error);
  expect(await create()).toMatchObject({ message: expect.stringContaining("there is no valkey") });
  lab.double.setRow("valkey", { state: "unavailable", note: "No program was found." });
  expect(await create()).toMatchObject({
    message: expect.stringContaining("valkey is unavailable. No program was found."),
  });
});
