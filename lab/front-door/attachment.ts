import type { IncomingMessage, ServerResponse } from "node:http";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { AccountBody } from "../api/account.ts";
import type { JudgeChoice } from "../api/run-request.ts";
import type { StatusBody } from "../api/services.ts";
import type { Unfit } from "../runs/admission.ts";
import { openDrivers } from "../runs/drivers.ts";
import { openRecords } from "../runs/records.ts";
import { openRuns } from "../runs/runs.ts";
import { openStoreSource } from "../sources/store.ts";
import type { System } from "../system.ts";
import { serveControl } from "./control.ts";
import type { EventHub } from "./events.ts";
import type { ControlRoute } from "./routing.ts";
import type { Upstreams } from "./upstreams.ts";

/** A running system wired to the door: its runs, its records, its live events. */
export interface Attachment {
  readonly system: System;
  readonly serve: (
    route: ControlRoute,
    query: string,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void;
  /** A request with this ticket goes to the app. */
  readonly requested: (ticket: string) => void;
  readonly detach: () => void;
}

export interface AttachmentOptions {
  readonly system: System;
  readonly catalogue: Catalogue;
  readonly unfit: Unfit;
  readonly hub: EventHub;
  readonly dir: string;
  readonly ticketKey: string;
  /** For links to an organisation at Sentry. */
  readonly sentryOrgUrl: string | undefined;
  /** Whose word counts when a run does not say. */
  readonly judge: JudgeChoice | undefined;
  readonly about: Pick<StatusBody, "version" | "origin" | "startedAt">;
  readonly account: AccountBody;
  readonly onNotice: (text: string) => void;
  readonly fromStore: Upstreams["store"];
}

export function attachSystem(options: AttachmentOptions): Attachment {
  const { system, catalogue, unfit, hub, about, account, fromStore } = options;
  const records = openRecords(options.dir, options.onNotice);
  const source = openStoreSource(() => system.url("store"));
  const following = new AbortController();
  const drivers = openDrivers();
  const runs = openRuns({
    ...{ catalogue, unfit, system, source, records, drivers },
    ticketKey: options.ticketKey,
    sentryOrgUrl: options.sentryOrgUrl,
    judge: options.judge,
    onChange: (run) => hub.publish({ type: "run", run }),
  });
  source.follow((message) => {
    runs.feed(message);
    if (message.type !== "grew") return;
    for (const growth of message.traces) hub.publish({ type: "telemetry", ...growth });
  }, following.signal);
  const unsubscribe = system.subscribe((service) => hub.publish({ type: "service", service }));
  const parts = {
    dir: options.dir,
    system,
    runs,
    drivers,
    catalogue,
    unfit,
    hub,
    about,
    account,
    fromStore,
  };
  return {
    system,
    serve: (route, query, request, response) =>
      void serveControl(parts, route, query, request, response),
    requested: runs.requested,
    detach: () => {
      following.abort();
      unsubscribe();
      runs.close();
      source.close();
      records.close();
    },
  };
}
