import { expect, test } from "vitest";
import type { Provider } from "./descriptor.ts";
import { besideRealValkey } from "./redis-exporter.ts";

const exporter: Provider = async () => ({ path: "/bin/exporter", kind: "real", version: "1" });
const valkeyOf =
  (kind: "real" | "stand-in"): Provider =>
  async () => ({ path: "/bin/valkey", kind, version: "8" });

test("is there beside a real Valkey", async () => {
  expect(await besideRealValkey(exporter, valkeyOf("real"))({})).toMatchObject({
    path: "/bin/exporter",
  });
});

test("does not tell of a stand-in under the real program's names, and says so", async () => {
  expect(await besideRealValkey(exporter, valkeyOf("stand-in"))({})).toMatchObject({
    notApplicable: expect.stringContaining("Valkey is a stand-in"),
  });
});

test("is absent where no Valkey is to be found", async () => {
  const none: Provider = async () => ({ notApplicable: "it is not on PATH" });
  expect(await besideRealValkey(exporter, none)({})).toHaveProperty("notApplicable");
});
