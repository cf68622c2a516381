import type { IncomingMessage, ServerResponse } from "node:http";
import { header } from "#scenarios/names.ts";
import { telemetryEntrance } from "../services/telemetry-entrance.ts";
import type { System } from "../system.ts";
import { answerError, drain } from "./answer.ts";
import { bodyLimitOf } from "./guard.ts";
import { openProxy } from "./proxy.ts";
import { openQuota } from "./quota.ts";
import type { IngestRoute, Route } from "./routing.ts";
import {
  serverBroke,
  serverRestarting,
  starting,
  storeAway,
  storeBroke,
  tooMuchTelemetry,
} from "./troubles.ts";

/** What the door does not answer itself: the app, and those who keep telemetry. */
export interface Upstreams {
  readonly app: (
    route: Route,
    target: string,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void;
  /** Takes browser telemetry in, as much of it as the quota lets. */
  readonly ingest: (route: IngestRoute, request: IncomingMessage, response: ServerResponse) => void;
  /**
   * Streams the store's answer for this path.
   * @param bodyLimit bytes that the request may bring; default 0.
   */
  readonly store: (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    bodyLimit?: number,
  ) => void;
  readonly close: () => void;
}

export interface UpstreamsOptions {
  readonly doorSecret: string;
  /** Lower-case names of headers that were meant for the door. */
  readonly withheld: readonly string[];
  /** Undefined as long as none is attached: everything is answered 503 `starting`. */
  readonly system: () => System | undefined;
}

/** Browser telemetry accepted, over all senders. */
const ingestQuota = { requestsPerSecond: 200, bytesPerSecond: 8 * 1024 * 1024, burstSeconds: 4 };
/** What a chunked body is charged, whose size nobody told. */
const chunkedBytes = 256 * 1024;

export function openUpstreams({ doorSecret, withheld, system }: UpstreamsOptions): Upstreams {
  const proxy = openProxy();
  const quota = openQuota(ingestQuota);

  function toKeeper(
    service: "collector" | "store",
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
    bodyLimit: number,
  ): void {
    const base = system()?.url(service);
    proxy.forward(request, response, {
      ...{ base, target, withheld, bodyLimit },
      // The store answers to its own names only.
      headers: base === undefined ? [] : [["host", new URL(base).host]],
      absent: system() ? storeAway : starting,
      broken: storeBroke,
    });
  }

  /** Only the store knows Sentry's envelopes. */
  function entranceOf({ upstream }: IngestRoute): "collector" | "store" {
    const services = system()?.services();
    const isOtlp = upstream.startsWith("/v1/");
    return services && isOtlp ? telemetryEntrance(services) : "store";
  }

  return {
    app: (route, target, request, response) =>
      proxy.forward(request, response, {
        base: system()?.url("server"),
        ...{ target, withheld, bodyLimit: bodyLimitOf(route) },
        headers: [
          [header.doorSecret, doorSecret],
          [header.forwardedProto, "http"],
        ],
        absent: system() ? serverRestarting : starting,
        broken: serverBroke,
      }),
    ingest: (route, request, response) => {
      const waitMs = quota.take(Number(request.headers["content-length"] ?? chunkedBytes));
      if (waitMs === 0) {
        toKeeper(entranceOf(route), request, response, route.upstream, bodyLimitOf(route));
        return;
      }
      drain(request);
      const seconds = String(Math.ceil(waitMs / 1000));
      answerError(response, 429, tooMuchTelemetry, [["retry-after", seconds]]);
    },
    store: (request, response, path, bodyLimit = 0) =>
      toKeeper("store", request, response, path, bodyLimit),
    close: proxy.close,
  };
}
