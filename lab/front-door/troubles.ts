import type { Trouble } from "./answer.ts";

/** What the front door says when a part behind it does not answer. */
export const starting: Trouble = {
  code: "starting",
  message: "The lab is starting.",
  hint: "Ask again in a second.",
};
export const serverRestarting: Trouble = {
  code: "server-restarting",
  message: "The app is not listening: it is starting or being restarted.",
  hint: "Ask again in a second; its row on the Services page shows how far it is.",
};
export const serverBroke: Trouble = {
  code: "server-broke-off",
  message: "The app took the request and broke the connection before it answered.",
  hint: "It probably crashed: see its log and the trace of this request.",
};
export const storeAway: Trouble = {
  code: "store-unreachable",
  message: "The telemetry store is not listening: it is starting or being restarted.",
  hint: "Ask again in a second; nothing that was sent before is lost.",
};
export const storeBroke: Trouble = {
  code: "store-broke-off",
  message: "The telemetry store broke the connection before it answered.",
  hint: "Send it again: the store keeps what it has confirmed, once.",
};
export const tooMuchTelemetry: Trouble = {
  code: "ingest-quota",
  message: "More telemetry came than the lab takes from browsers.",
  hint: "Keep it and send it after the time in Retry-After.",
};
export const tokenNeeded: Trouble = {
  code: "token-needed",
  message: "This lab was started with --token and does not know this browser.",
  hint: "Open the link that the lab printed when it started; each link works once. For a new one: npm run lab -- open",
};
export const notHere: Trouble = {
  code: "not-found",
  message: "There is nothing at this address.",
  hint: "The start page is /.",
};
