import { beforeEach, expect, test } from "vitest";
import { openPolling, type Polling } from "./polling.ts";

let time: number;
let turns: (() => void)[];
let polling: Polling;

beforeEach(() => {
  time = 0;
  turns = [];
  polling = openPolling(
    () => time,
    (turn) => turns.push(turn),
  );
});

/** Milliseconds go by, and one turn of the event loop. */
const pass = (ms: number): void => {
  time += ms;
  for (const turn of turns.splice(0)) turn();
};

test("sleeps after a message by itself, and between messages far apart", () => {
  polling.traffic();
  expect(turns).toHaveLength(0);
  time += 0.2;
  polling.traffic();
  expect(turns).toHaveLength(0);
});

test("stays awake after two messages close upon each other, as long as more come", () => {
  polling.traffic();
  pass(0.1);
  for (let n = 0; n < 5; n++) {
    polling.traffic();
    expect(turns).toHaveLength(1);
    pass(0.1);
  }
});

test("goes to sleep when it was quiet for too long, until two come close again", () => {
  polling.traffic();
  polling.traffic();
  pass(0.1);
  pass(0.1);
  expect(turns).toHaveLength(0);
  polling.traffic();
  expect(turns).toHaveLength(0);
  polling.traffic();
  expect(turns).toHaveLength(1);
});
