import { binVariable } from "#lab/providers/bin-variable.ts";
import type { NotApplicable, Program, Provider } from "../descriptor.ts";
import { valkey } from "../valkey.ts";

/** What Valkey is here, found as the lab finds it. */
export const valkeyProgram: Provider = async (env, search) => {
  const { named, providers } = valkey.embedded;
  const path = env[binVariable("valkey")];
  let found: Program | NotApplicable = { notApplicable: "there is no Valkey" };
  for (const provider of path ? [() => named(path)] : providers) {
    found = await provider(env, search);
    if ("path" in found) return found;
  }
  return found;
};
