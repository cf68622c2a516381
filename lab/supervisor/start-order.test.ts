import { expect, test } from "vitest";
import { startOrder } from "./start-order.ts";
import { fakeService } from "./testing/fake-descriptors.ts";

test("services come after those they depend on, else in the order given", () => {
  const order = startOrder([
    fakeService("server", { dependsOn: ["postgres", "store"] }),
    fakeService("store"),
    fakeService("postgres"),
  ]);
  expect(order.map(({ id }) => id)).toEqual(["postgres", "store", "server"]);
});

test("a circle and a missing service are named", () => {
  const circle = [
    fakeService("server", { dependsOn: ["store"] }),
    fakeService("store", { dependsOn: ["server"] }),
  ];
  expect(() => startOrder(circle)).toThrow("server → store → server");
  expect(() => startOrder([fakeService("server", { dependsOn: ["valkey"] })])).toThrow(
    "server depends on valkey",
  );
});
