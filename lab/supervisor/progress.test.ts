import { expect, test } from "vitest";
import { parseProgress } from "./progress.ts";

test("a line with lab.progress tells step and share", () => {
  const line = '{"level":"info","lab.progress":{"step":"seeding orders","done":0.4}}';
  expect(parseProgress(line)).toEqual({ step: "seeding orders", done: 0.4 });
});

test.each([
  "listening",
  '{"msg":"no progress"}',
  'text "lab.progress" text',
  '{"lab.progress":{"step":"x","done":1.5}}',
  '{"lab.progress":{"step":1,"done":0.5}}',
  '{"lab.progress":',
])("%s tells nothing", (line) => {
  expect(parseProgress(line)).toBeUndefined();
});
