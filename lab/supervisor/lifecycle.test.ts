import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backOffMs, crashLimit, type LifeEvent, newborn, nextLife } from "./lifecycle.ts";

const lifeAfter = (...events: LifeEvent[]) => events.reduce(nextLife, newborn);
const start = { type: "start" } as const;
const up: LifeEvent[] = [start, { type: "dependencies-ready" }, { type: "prepared" }];
const answered = (at: number): LifeEvent => ({ type: "answered", at });
const crashed = (at: number, leased = false): LifeEvent => ({ type: "crashed", at, leased });
const again: LifeEvent[] = [
  { type: "retry" },
  { type: "dependencies-ready" },
  { type: "prepared" },
];

describe("the life of a service", () => {
  test("leads over waiting, preparing and starting to ready", () => {
    expect(lifeAfter(start).state).toBe("waiting");
    expect(lifeAfter(...up.slice(0, 2)).state).toBe("preparing");
    expect(lifeAfter(...up).state).toBe("starting");
    expect(lifeAfter(...up, answered(5))).toMatchObject({ state: "ready", readySince: 5 });
  });

  test.each(["preparing", "starting", "ready"] as const)(
    "a stop while %s waits for the exit",
    (state) => {
      const events = { preparing: up.slice(0, 2), starting: up, ready: [...up, answered(0)] }[
        state
      ];
      expect(lifeAfter(...events, { type: "stop" }).state).toBe("stopping");
      expect(lifeAfter(...events, { type: "stop" }, { type: "exited" }).state).toBe("stopped");
    },
  );

  test("a crash while stopping is no crash", () => {
    expect(lifeAfter(...up, { type: "stop" }, crashed(1))).toMatchObject({
      state: "stopping",
      crashes: [],
    });
  });

  test("the fifth crash within a minute ends the tries", () => {
    let life = lifeAfter(...up);
    for (let n = 1; n < crashLimit; n++) {
      life = nextLife(life, crashed(n * 1_000));
      expect(life.state).toBe("backing-off");
      life = again.reduce(nextLife, life);
    }
    expect(nextLife(life, crashed(59_000)).state).toBe("crash-looping");
    expect(nextLife(life, crashed(61_000)).state, "the first was over a minute ago").toBe(
      "backing-off",
    );
  });

  test("leased crashes never end the tries, and start with the shortest wait when it had been ready", () => {
    let life = lifeAfter(...up);
    for (let n = 1; n <= 20; n++) {
      life = nextLife(nextLife(life, answered(n * 100)), crashed(n * 100 + 1, true));
      expect(life).toMatchObject({ state: "backing-off", crashes: [], streak: 1 });
      life = again.reduce(nextLife, life);
    }
  });

  test("a steady time resets the wait", () => {
    const twice = [crashed(1), ...again, crashed(2), ...again];
    expect(nextLife(lifeAfter(...up, ...twice, answered(3)), crashed(4)).streak).toBe(3);
    expect(nextLife(lifeAfter(...up, ...twice, answered(3)), crashed(10_003)).streak).toBe(1);
  });

  test("a start by hand forgets the crashes", () => {
    const looping = lifeAfter(
      ...up,
      ...[1, 2, 3, 4].flatMap((n) => [crashed(n), ...again]),
      crashed(5),
    );
    expect(looping.state).toBe("crash-looping");
    expect(nextLife(looping, { type: "retry" }).state).toBe("crash-looping");
    expect(nextLife(looping, start)).toMatchObject({ state: "waiting", crashes: [], streak: 0 });
  });

  test("whatever happens, a stop and an exit lead to stopped", () => {
    const event = fc.oneof(
      fc.constantFrom<LifeEvent>(
        start,
        { type: "dependencies-ready" },
        { type: "prepared" },
        { type: "impossible" },
        { type: "retry" },
        { type: "stop" },
        { type: "exited" },
      ),
      fc.record({ type: fc.constant("answered" as const), at: fc.nat() }),
      fc.record({ type: fc.constant("crashed" as const), at: fc.nat(), leased: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const life = lifeAfter(...events, { type: "stop" }, { type: "exited" });
        expect(life.state).toBe("stopped");
      }),
    );
  });
});

test("the wait doubles from a quarter of a second to ten seconds", () => {
  expect([1, 2, 3, 6, 7, 50].map(backOffMs)).toEqual([250, 500, 1_000, 8_000, 10_000, 10_000]);
});
