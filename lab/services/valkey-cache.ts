import type { Provider, ServiceDescriptor } from "./descriptor.ts";
import { valkeyProgram } from "./valkey/program.ts";
import { valkey, valkeyCommand } from "./valkey.ts";

/** The same program as the other one; a stand-in evicts nothing, so there is none of this. */
export const sameRealValkey =
  (program: Provider): Provider =>
  async (env, search) => {
    const found = await program(env, search);
    if ("path" in found && found.kind === "real") return found;
    return {
      notApplicable: "Valkey is a stand-in here, which evicts nothing",
      hint: "with a real Valkey it starts by itself",
    };
  };

/** A small Valkey of its own for values that may go, so that nobody's session goes with them. */
export const valkeyCache: ServiceDescriptor = {
  id: "valkey-cache",
  title: "Valkey for values that may go",
  role: "A second, small Valkey that scenarios fill up: the sessions are in the other one.",
  dependsOn: [],
  presence: "optional",
  ports: [{ name: "main", scheme: "redis" }],
  readiness: valkey.readiness,
  startTimeoutMs: valkey.startTimeoutMs,
  stop: valkey.stop,
  embedded: {
    named: valkey.embedded.named,
    providers: [sameRealValkey(valkeyProgram)],
    launch: (program, context) =>
      valkeyCommand(program, context, { maxmemory: "20mb", policy: "allkeys-lru" }),
  },
};
