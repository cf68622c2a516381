import type { ProxyTarget, Toxic } from "#scenarios/fault.ts";

/** What the lab asks of the thread of its proxies. Each is answered once, in any order. */
export type ProxyRequest =
  | {
      readonly kind: "listen";
      readonly target: ProxyTarget;
      readonly port: number;
      readonly hosts: readonly string[];
    }
  | { readonly kind: "aim"; readonly target: ProxyTarget; readonly port: number | null }
  | { readonly kind: "toxics"; readonly target: ProxyTarget; readonly toxics: readonly Toxic[] };

export interface ProxyAnswer {
  readonly seq: number;
  /** Why it could not be done. */
  readonly error?: string;
}
