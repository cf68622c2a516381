import { createContextKey, ROOT_CONTEXT } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { AmbientContextManager } from "./ambient-context.ts";

const key = createContextKey("interaction");
const of = (name: string) => ROOT_CONTEXT.setValue(key, name);

test("code after an await still sees the interaction it belongs to", async () => {
  const manager = new AmbientContextManager().enable();
  const leave = manager.enter(of("click"));
  await Promise.resolve();
  expect(manager.active().getValue(key)).toBe("click");
  leave();
  expect(manager.active()).toBe(ROOT_CONTEXT);
});

test("an explicit context wins over the ambient one", () => {
  const manager = new AmbientContextManager().enable();
  manager.enter(of("second"));
  expect(manager.with(of("first"), () => manager.active().getValue(key))).toBe("first");
});

test("an interaction that ends late does not take away the newer one", () => {
  const manager = new AmbientContextManager().enable();
  const leaveFirst = manager.enter(of("first"));
  manager.enter(of("second"));
  leaveFirst();
  expect(manager.active().getValue(key)).toBe("second");
});
