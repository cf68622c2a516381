import type { IncomingMessage, ServerResponse } from "node:http";
import type { Refusal } from "./refusal.ts";

/** One exchange with a client, taken apart. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What the groups of the route's pattern matched. */
  readonly params: readonly string[];
  readonly query: URLSearchParams;
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Matches the whole path. */
  readonly path: RegExp;
  readonly handle: (exchange: Exchange) => void | Promise<void>;
  /** Writes a refusal in the route's own form; the lab's error body when absent. */
  readonly refuse?: (exchange: Pick<Exchange, "request" | "response">, refusal: Refusal) => void;
}
