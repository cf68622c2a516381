/** The part of oidc-provider 9 that the stand-in uses; the package brings no types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  export interface ProviderContext {
    readonly oidc: {
      readonly provider: Provider;
      readonly client?: { readonly clientId: string };
      readonly session?: {
        readonly accountId?: string;
        readonly grantIdFor: (clientId: string) => string | undefined;
      };
      readonly result?: { readonly consent?: { readonly grantId?: string } };
      readonly entities: { readonly IdTokenHint?: unknown };
    };
    type: string;
    status: number;
    body: unknown;
    readonly set: (name: string, value: string) => void;
  }
  export interface Grant {
    readonly addOIDCScope: (scope: string) => void;
    readonly save: () => Promise<string>;
  }
  export interface InteractionDetails {
    readonly uid: string;
    readonly prompt: { readonly name: "login" | "consent" };
    readonly params: Readonly<Record<string, unknown>>;
    readonly session?: { readonly accountId?: string };
    readonly grantId?: string;
  }
  export default class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    readonly Grant: {
      new (init: { clientId: string; accountId: string }): Grant;
      find: (id: string) => Promise<Grant | undefined>;
    };
    readonly callback: () => (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    readonly interactionDetails: (
      request: IncomingMessage,
      response: ServerResponse,
    ) => Promise<InteractionDetails>;
    readonly interactionFinished: (
      request: IncomingMessage,
      response: ServerResponse,
      result: object,
      options?: { readonly mergeWithLastSubmission?: boolean },
    ) => Promise<void>;
    readonly on: (event: string, listener: (...args: readonly unknown[]) => void) => this;
  }
  export namespace errors {
    class SessionNotFound extends Error {}
  }
}
