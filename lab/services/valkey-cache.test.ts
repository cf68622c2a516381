import { expect, test } from "vitest";
import type { Provider } from "./descriptor.ts";
import { sameRealValkey } from "./valkey-cache.ts";

const valkeyOf =
  (kind: "real" | "stand-in"): Provider =>
  async () => ({ path: "/bin/valkey", kind, version: "8" });

test("is the real Valkey once more", async () => {
  expect(await sameRealValkey(valkeyOf("real"))({})).toMatchObject({ path: "/bin/valkey" });
});

test("is absent where Valkey is a stand-in, or not to be found, and says what would bring it", async () => {
  const none: Provider = async () => ({ notApplicable: "it is not on PATH" });
  for (const valkey of [valkeyOf("stand-in"), none])
    expect(await sameRealValkey(valkey)({})).toEqual({
      notApplicable: expect.stringContaining("evicts nothing"),
      hint: expect.stringContaining("a real Valkey"),
    });
});
