/** A route of the control API. */
export type ControlRoute =
  | {
      readonly name:
        | "status"
        | "scenarios"
        | "runs"
        | "logs"
        | "sentry"
        | "metrics"
        | "events"
        | "account"
        | "self-test";
    }
  | {
      readonly name: "run" | "observations" | "evidence" | "insights" | "run-metrics";
      readonly runId: string;
    }
  | { readonly name: "trace"; readonly traceId: string }
  | { readonly name: "spans"; readonly traceId: string; readonly spanIds: string }
  | { readonly name: "pin"; readonly runId: string }
  | { readonly name: "red" | "store" | "search" | "tags" }
  /** `tag` is still URL-encoded. */
  | { readonly name: "tag-values"; readonly tag: string }
  | { readonly name: "service-log"; readonly id: string }
  | {
      readonly name: "service-action";
      readonly id: string;
      readonly action: "restart" | "stop" | "start";
    };

/** Browser telemetry; `upstream` is the path at the store. */
export interface IngestRoute {
  readonly name: "ingest";
  readonly upstream: string;
}

/** What a request path means. Pure: decided on the raw text, nothing is decoded or looked up. */
export type Route =
  | ControlRoute
  | IngestRoute
  | { readonly name: "health" }
  /** Makes a one-time link of the token gate. */
  | { readonly name: "links" }
  /** The app's own routes, proxied. */
  | { readonly name: "app" | "auth" | "sign-out" }
  /** One-time link of the token gate. */
  | { readonly name: "enter"; readonly token: string }
  /** A path the page's own router knows: answered with the page. */
  | { readonly name: "document" }
  /** A file of the built page, if the build has one of that name. */
  | { readonly name: "file"; readonly path: string }
  | { readonly name: "unknown" };

/** Groups of routes that share one rule of the guard. */
export type RouteClass = "health" | "control" | "ingest" | "app" | "auth" | "page";

const fixed = new Map<string, Route>([
  ["/healthz", { name: "health" }],
  ["/lab/api/status", { name: "status" }],
  ["/lab/api/scenarios", { name: "scenarios" }],
  ["/lab/api/runs", { name: "runs" }],
  ["/lab/api/logs", { name: "logs" }],
  ["/lab/api/sentry", { name: "sentry" }],
  ["/lab/api/metrics", { name: "metrics" }],
  ["/lab/api/red", { name: "red" }],
  ["/lab/api/search", { name: "search" }],
  ["/lab/api/tags", { name: "tags" }],
  ["/lab/api/store", { name: "store" }],
  ["/lab/api/events", { name: "events" }],
  ["/lab/api/account", { name: "account" }],
  ["/lab/api/self-test", { name: "self-test" }],
  ["/lab/api/links", { name: "links" }],
  ["/auth/logout", { name: "sign-out" }],
  ["/lab/ingest/v1/traces", { name: "ingest", upstream: "/v1/traces" }],
  ["/lab/ingest/v1/logs", { name: "ingest", upstream: "/v1/logs" }],
  ["/lab/ingest/v1/metrics", { name: "ingest", upstream: "/v1/metrics" }],
  ["/lab/ingest/envelope", { name: "ingest", upstream: "/api/1/envelope/" }],
]);

const patterns: readonly (readonly [RegExp, (match: readonly string[]) => Route])[] = [
  [/^\/lab\/api\/runs\/([0-9a-z]{26})$/, ([, runId = ""]) => ({ name: "run", runId })],
  [
    /^\/lab\/api\/runs\/([0-9a-z]{26})\/observations$/,
    ([, runId = ""]) => ({ name: "observations", runId }),
  ],
  [
    /^\/lab\/api\/runs\/([0-9a-z]{26})\/(evidence|insights)$/,
    ([, runId = "", name]) => ({ name: name as "evidence" | "insights", runId }),
  ],
  [
    /^\/lab\/api\/runs\/([0-9a-z]{26})\/metrics$/,
    ([, runId = ""]) => ({ name: "run-metrics", runId }),
  ],
  [/^\/lab\/api\/tags\/([\w.%:-]{1,200})$/, ([, tag = ""]) => ({ name: "tag-values", tag })],
  [
    /^\/lab\/api\/traces\/((?!0{32})[0-9a-f]{32})$/,
    ([, traceId = ""]) => ({ name: "trace", traceId }),
  ],
  [
    /^\/lab\/api\/traces\/((?!0{32})[0-9a-f]{32})\/spans\/([0-9a-f]{16}(?:,[0-9a-f]{16}){0,99})$/,
    ([, traceId = "", spanIds = ""]) => ({ name: "spans", traceId, spanIds }),
  ],
  [/^\/lab\/api\/runs\/([0-9a-z]{26})\/pin$/, ([, runId = ""]) => ({ name: "pin", runId })],
  [/^\/lab\/api\/services\/([a-z-]{1,40})\/log$/, ([, id = ""]) => ({ name: "service-log", id })],
  [
    /^\/lab\/api\/services\/([a-z-]{1,40})\/(restart|stop|start)$/,
    ([, id = "", action]) => ({
      name: "service-action",
      id,
      action: action as "restart" | "stop" | "start",
    }),
  ],
  [/^\/lab\/enter\/([\w-]{1,100})$/, ([, token = ""]) => ({ name: "enter", token })],
];

/** Paths below these belong to the page's router. */
const documents = /^\/(?:$|(?:scenarios|runs?|compare|traces)(?:\/[\w.~-]+)*\/?$|services\/?$)/;

/** Dot segments, encoded slashes and control characters: never a path of ours, and never passed on. */
const evasive = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|\\|%5c|%2f|%00|\/\//i;

/** @param path the request target up to the `?`, as received. */
export function routeOf(path: string): Route {
  const exact = fixed.get(path);
  if (exact) return exact;
  if (evasive.test(path)) return { name: "unknown" };
  for (const [pattern, toRoute] of patterns) {
    const match = pattern.exec(path);
    if (match) return toRoute(match);
  }
  if (path.startsWith("/lab/") || path === "/lab") return { name: "unknown" };
  if (path.startsWith("/api/")) return { name: "app" };
  if (path.startsWith("/auth/")) return { name: "auth" };
  return documents.test(path) ? { name: "document" } : { name: "file", path };
}

const reading: readonly string[] = ["GET", "HEAD"];
const readAlone = { group: "control", methods: reading } as const;

/** Of each route the rule of the guard that it falls under, and the methods it answers. */
const rules: {
  readonly [Name in Route["name"]]: {
    readonly group: Name extends ControlRoute["name"] | "links"
      ? "control"
      : Exclude<RouteClass, "control">;
    readonly methods: readonly string[];
  };
} = {
  status: readAlone,
  scenarios: readAlone,
  runs: { group: "control", methods: [...reading, "POST"] },
  run: readAlone,
  observations: { group: "control", methods: ["POST"] },
  evidence: readAlone,
  insights: readAlone,
  "run-metrics": readAlone,
  pin: { group: "control", methods: ["POST", "DELETE"] },
  trace: readAlone,
  spans: readAlone,
  red: readAlone,
  store: readAlone,
  search: readAlone,
  tags: readAlone,
  "tag-values": readAlone,
  logs: readAlone,
  sentry: readAlone,
  metrics: readAlone,
  events: readAlone,
  account: readAlone,
  "self-test": readAlone,
  "service-log": readAlone,
  "service-action": { group: "control", methods: ["POST"] },
  links: { group: "control", methods: ["POST"] },
  ingest: { group: "ingest", methods: ["POST"] },
  app: { group: "app", methods: [...reading, "POST", "PUT", "PATCH", "DELETE"] },
  // A preview that only asks for the headers must not use the link up, nor sign anybody out.
  auth: { group: "auth", methods: ["GET"] },
  "sign-out": { group: "auth", methods: ["GET"] },
  enter: { group: "page", methods: ["GET"] },
  document: { group: "page", methods: reading },
  file: { group: "page", methods: reading },
  unknown: { group: "page", methods: reading },
  health: { group: "health", methods: reading },
};

/** Which rule of the guard a route falls under. */
export const classOf = ({ name }: Route): RouteClass => rules[name].group;

/** Methods a route answers; everything else is 405. */
export const methodsOf = ({ name }: Route): readonly string[] => rules[name].methods;

/** A route that only an attached system can answer. */
export const isControl = (route: Route): route is ControlRoute =>
  classOf(route) === "control" && route.name !== "links";
