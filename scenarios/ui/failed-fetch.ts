import { defineScenario } from "../define.ts";
import { choice } from "../param-spec.ts";
import type { CheckFinding, RunEvidence } from "../run-evidence.ts";

const failures = ["answer 500", "never arrives", "answer withheld", "aborted"] as const;
type Failure = (typeof failures)[number];

/** What each failure leaves where the page is as naive as most. */
interface Truth {
  /** Name of what `fetch` threw; `none` when it did not. */
  readonly thrown: string;
  /** Requests that the app saw. */
  readonly served: number;
  /** Events of the page, and of the app. */
  readonly pageEvents: number;
  readonly appEvents: number;
  /** Events of the page when its code looks at every outcome. */
  readonly fixedPageEvents: number;
}
const truths: Readonly<Record<Failure, Truth>> = {
  "answer 500": { thrown: "none", served: 1, pageEvents: 0, appEvents: 1, fixedPageEvents: 1 },
  "never arrives": {
    thrown: "TypeError",
    served: 0,
    pageEvents: 1,
    appEvents: 0,
    fixedPageEvents: 1,
  },
  "answer withheld": {
    thrown: "TypeError",
    served: 1,
    pageEvents: 1,
    appEvents: 0,
    fixedPageEvents: 1,
  },
  aborted: { thrown: "AbortError", served: 1, pageEvents: 1, appEvents: 0, fixedPageEvents: 0 },
};
const truthOf = ({ params }: RunEvidence): Truth => truths[params.failure as Failure];

const serviceOf = (payload: unknown): "page" | "app" =>
  JSON.stringify(payload).includes('"service.name":"lab-web"') ? "page" : "app";
const eventsOf = ({ sentry }: RunEvidence, of: "page" | "app") =>
  sentry.filter(({ kind, payload }) => kind === "event" && serviceOf(payload) === of);
const handledOf = (payload: unknown): boolean => JSON.stringify(payload).includes('"handled":true');

function events(evidence: RunEvidence, expected: number, handled: boolean): CheckFinding {
  const found = eventsOf(evidence, "page");
  const right = found.filter(({ payload }) => handledOf(payload) === handled);
  return {
    ok: found.length === expected && right.length === expected,
    seen: `${found.length} of the page (${found.map(({ title }) => title).join("; ") || "none"}), expected ${expected}`,
  };
}

const served = ({ spans }: RunEvidence) => spans.filter(({ kind }) => kind === "server");

export default defineScenario({
  id: "ui.failed-fetch",
  title: "A request of the page fails",
  summary:
    "Four ways for fetch to fail: two look the same, one throws nothing at all, and only the server's span tells.",
  story: `The page loads products and the request fails. How it fails decides who hears of it.

An answer with status 500 is no failure to \`fetch\`: nothing is thrown, so the browser's Sentry has nothing to send, and a page that does not look at \`ok\` shows an empty list. Only the app's own event tells. A request that never arrives and an answer that the browser withholds (a missing CORS header, a digest that does not match) throw the very same \`TypeError: Failed to fetch\`; the trace tells them apart, since only one of them has a server span. An aborted request throws too, and is nobody's fault: an event about it is noise.

The page here is as naive as most: it awaits in a function that nobody awaits. The fix looks at every outcome: it reports a bad status and a broken connection as handled, and stays silent about what it aborted itself.`,
  params: {
    failure: choice({ label: "Failure", default: "answer 500", options: failures }),
  },
  modes: ["fault", "control", "fix"],
  stage: true,
  async serve({ mode, params, sql, signal }) {
    const products = await sql`select id, name, price_cents from products order by id limit 5`;
    if (mode === "control") return { products };
    if (params.failure === "answer 500")
      throw new Error("product list failed: no price list loaded");
    if (params.failure === "aborted") {
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return { products };
  },
  expect: [
    {
      signal: "check",
      title: "the script sees what this failure lets it see",
      reads: [],
      check: (evidence) => {
        const { thrown } = truthOf(evidence);
        return {
          ok: evidence.page.thrown === thrown && evidence.page.shown === "nothing",
          seen: `thrown: ${evidence.page.thrown}, shown: ${evidence.page.shown}`,
        };
      },
      why: "fetch throws for a broken connection and an abort, never for a status.",
      hint: "A status has to be looked at: `response.ok`.",
    },
    {
      signal: "check",
      title: "the app's span is there exactly when the request arrived",
      check: (evidence) => {
        const found = served(evidence).length;
        return {
          ok: found === truthOf(evidence).served,
          seen: `${found} requests served, expected ${truthOf(evidence).served}`,
        };
      },
      modes: ["fault", "fix"],
      why: "The same TypeError in the script: the server's span alone says whether the request came through.",
      hint: "A span that is missing against expectation means that traceparent was lost.",
    },
    {
      signal: "check",
      title: "the naive page sends an unhandled event, but none for a 500",
      reads: ["sentry"],
      check: (evidence) => events(evidence, truthOf(evidence).pageEvents, false),
      why: "Only what is thrown reaches the window: a 500 makes no event in the browser, an abort makes noise.",
      hint: "An event for a 500 needs code that looks at the status.",
    },
    {
      signal: "check",
      title: "the app reports its own failure, and nothing else",
      reads: ["sentry"],
      modes: ["fault", "fix"],
      check: (evidence) => {
        const found = eventsOf(evidence, "app").length;
        const { appEvents } = truthOf(evidence);
        return { ok: found === appEvents, seen: `${found} of the app, expected ${appEvents}` };
      },
      why: "A 500 is the app's to report; of the other failures it knows nothing.",
      hint: "An event for an abort would blame the app for a visitor who left.",
    },
    {
      signal: "check",
      title:
        "the page that looks at every outcome reports it as handled, and stays silent about an abort",
      reads: ["sentry"],
      modes: ["fix"],
      check: (evidence) => events(evidence, truthOf(evidence).fixedPageEvents, true),
      why: "Now a 500 is seen from the page's side too, and aborts make no noise.",
      hint: "The stage's fix branches on the status, on TypeError and on AbortError.",
    },
    {
      signal: "page",
      observation: "shown",
      value: { in: ["a message", "nothing, as wanted"] },
      modes: ["fix"],
      why: "The person is told, unless it was the person who left.",
      hint: "The stage shows a message where it caught the failure.",
    },
    {
      signal: "page",
      observation: "shown",
      value: "5 products",
      modes: ["control"],
      why: "The same request with nothing broken fills the list.",
      hint: "Open the trace: the request failed.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing failed, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "span",
      select: {
        service: "lab-web",
        kind: "client",
        childOf: { name: "scenario.run ui.failed-fetch" },
      },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "The browser's own span of the request is there however it ends.",
      hint: "Without it the fetch was not instrumented, or ran outside the interaction.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, also when a request of it goes nowhere.",
      hint: "An orphan means that the browser's span of the request was never sent.",
    },
  ],
});
