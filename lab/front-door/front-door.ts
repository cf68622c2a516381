import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { LinkBody } from "#lab/api/account.ts";
import { type Catalogue, loadCatalogue, scenariosFolder } from "#scenarios/catalogue.ts";
import { header } from "#scenarios/names.ts";
import { judgeSetting } from "../runs/judge-setting.ts";
import { unfitScenarios } from "../runs/unfit.ts";
import { userName } from "../services/accounts.ts";
import { labVersion } from "../state/lab-version.ts";
import type { Secrets } from "../state/secrets.ts";
import type { System } from "../system.ts";
import {
  answer,
  answerError,
  answerJson,
  answerPage,
  drain,
  type HeaderPairs,
  pagePolicy,
  wantsPage,
} from "./answer.ts";
import { type Attachment, attachSystem } from "./attachment.ts";
import { bindLoopback } from "./bind.ts";
import { openEventHub } from "./events.ts";
import { judge, type Refusal } from "./guard.ts";
import type { BuiltPage, PageProgress } from "./page.ts";
import { answerNotFound, type BuildPage, openPageHost } from "./page-host.ts";
import { factsOf } from "./request-facts.ts";
import { isControl, type Route } from "./routing.ts";
import { openTokenGate } from "./token-gate.ts";
import { starting, tokenNeeded } from "./troubles.ts";
import { openUpstreams } from "./upstreams.ts";

/** The one port a person opens: page, control API, live events, browser telemetry, and the way to the app. */
export interface FrontDoor {
  /** Canonical, e.g. `http://localhost:4700`. */
  readonly origin: string;
  readonly port: number;
  /** The built page; rejects with the `LabError` of a failed build, which the door then also shows. */
  readonly page: Promise<BuiltPage>;
  /** Where to send a person: the origin, or in token mode a new link that works once. */
  readonly link: () => string;
  /** Opens the APIs onto this system. Once. */
  readonly attach: (system: System) => void;
  /** Ends streams, sockets and a build under way. */
  readonly close: () => Promise<void>;
}

export interface FrontDoorOptions {
  /** 0 takes any that is free. */
  readonly port: number;
  /** The lab's state folder. */
  readonly dir: string;
  readonly secrets: Pick<Secrets, "doorSecret" | "ticketKey" | "userPassword">;
  readonly env: NodeJS.ProcessEnv;
  /** Progress of the page's build. */
  readonly onProgress?: (progress: PageProgress) => void;
  /** Something a person should know, e.g. a run history that was set aside; default: to stderr. */
  readonly onNotice?: (text: string) => void;
  /**
   * Asks every visitor for proof: people by a one-time link, programs by this token as
   * `Authorization: Bearer`. At least 128 bits. Default: whoever reaches loopback may come in.
   */
  readonly token?: string;
  /** Default: every scenario of this clone. */
  readonly catalogue?: Catalogue;
  /** Makes the page; default: `vite build`, cached by content. */
  readonly build?: BuildPage;
}

/** Time that answers under way get when the door closes. */
const closeWithinMs = 100;

/**
 * Binds first, so that whoever opens the URL early gets a page that says what is going on; the APIs
 * answer 503 `starting` until {@link FrontDoor.attach}.
 * @throws LabError `port-busy`, or `bad-setting` for a `LAB_JUDGE` that there is not.
 */
export async function openFrontDoor(options: FrontDoorOptions): Promise<FrontDoor> {
  const startedAt = Date.now();
  const judgeChoice = judgeSetting(options.env);
  const hub = openEventHub(startedAt);
  const host = openPageHost(options, options.build);
  const gate = options.token === undefined ? undefined : openTokenGate(options.token);
  let attachment: Attachment | undefined;
  const upstreams = openUpstreams({
    doorSecret: options.secrets.doorSecret,
    // Behind the door, headers may be recorded.
    withheld: gate ? ["authorization"] : [],
    system: () => attachment?.system,
  });

  const { port, servers } = await bindLoopback(options.port, onRequest);
  const origin = `http://localhost:${port}`;
  const page = host.open();
  const scenarios = scenariosFolder(options.env);
  const catalogue = options.catalogue ?? (await loadCatalogue(scenarios));
  const unfit = await unfitScenarios(catalogue, scenarios);

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const judgement = judge(factsOf(request), request.socket.localPort ?? 0);
    switch (judgement.kind) {
      case "allow":
        if (isAdmitted(judgement.route, request)) {
          serve(judgement.route, judgement.target, request, response);
        } else {
          turnAway(request, response);
        }
        break;
      case "redirect":
        answer(response, 307, [["location", judgement.location]]);
        break;
      case "refuse":
        refuse(request, response, judgement);
        break;
    }
  }

  /** The page reads pictures by presigned links, which lead past the app. */
  function policyOfPage(): HeaderPairs {
    const storage = attachment?.system.appUrl?.("minio");
    return storage === undefined ? [] : [pagePolicy(storage)];
  }

  function isAdmitted(route: Route, { headers, socket }: IncomingMessage): boolean {
    if (gate === undefined || route.name === "health" || route.name === "enter") return true;
    const { cookie, authorization } = headers;
    return gate.admits({ port: socket.localPort ?? 0, cookie, authorization });
  }

  /** Exchanges a one-time link for a cookie; the redirect takes the token out of the address bar. */
  function enter(linkToken: string, request: IncomingMessage, response: ServerResponse): void {
    const cookie = gate?.exchange(linkToken, request.socket.localPort ?? 0);
    if (cookie !== undefined) {
      answer(response, 303, [
        ["location", "/"],
        ["set-cookie", cookie],
      ]);
    } else if (gate) {
      turnAway(request, response);
    } else {
      answerNotFound(request, response);
    }
  }

  function serve(
    route: Route,
    target: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    if (isControl(route)) {
      if (attachment) attachment.serve(route, queryOf(target), request, response);
      else unavailable(request, response);
      return;
    }
    switch (route.name) {
      case "health":
        answerJson(response, 200, { status: "ok" });
        return;
      case "document":
        host.serve(request, response, "/index.html", policyOfPage());
        return;
      case "file":
        host.serve(request, response, route.path);
        return;
      case "unknown":
        answerNotFound(request, response);
        return;
      case "enter":
        enter(route.token, request, response);
        return;
      case "links":
        drain(request);
        answerJson(response, 201, { link: link() } satisfies LinkBody);
        return;
      case "ingest":
        upstreams.ingest(route, request, response);
        return;
      case "app":
      case "auth":
      case "sign-out": {
        const ticket = request.headers[header.ticket];
        if (typeof ticket === "string") attachment?.requested(ticket);
        upstreams.app(route, target, request, response);
        return;
      }
    }
    // A route that is forgotten above would leave its request without an answer.
    route satisfies never;
  }

  function attach(system: System): void {
    if (attachment) throw new Error("a system is attached already");
    attachment = attachSystem({
      ...{ system, catalogue, unfit, hub },
      dir: options.dir,
      ticketKey: options.secrets.ticketKey,
      sentryOrgUrl: options.env.SENTRY_ORG_URL,
      judge: judgeChoice,
      about: { version: labVersion(), origin, startedAt },
      account: { username: userName, password: options.secrets.userPassword },
      onNotice: options.onNotice ?? ((text) => process.stderr.write(`${text}\n`)),
      fromStore: upstreams.store,
    });
  }

  async function close(): Promise<void> {
    attachment?.detach();
    hub.close();
    await Promise.all([host.close(), ...servers.map(closeServer)]);
    upstreams.close();
  }

  const link = (): string => (gate ? `${origin}${gate.newLink()}` : origin);
  return { origin, port, page, link, attach, close };
}

function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  drain(request);
  const allow: HeaderPairs = refusal.allow === undefined ? [] : [["allow", refusal.allow]];
  answerError(response, refusal.status, refusal, allow);
}

function turnAway(request: IncomingMessage, response: ServerResponse): void {
  drain(request);
  const { message, hint } = tokenNeeded;
  if (wantsPage(request)) answerPage(response, 401, { title: message, lines: [hint] });
  else answerError(response, 401, tokenNeeded);
}

function unavailable(request: IncomingMessage, response: ServerResponse): void {
  drain(request);
  answerError(response, 503, starting, [["retry-after", "1"]]);
}

async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const cut = setTimeout(() => server.closeAllConnections(), closeWithinMs);
  await promise;
  clearTimeout(cut);
}

const queryOf = (target: string): string => target.slice(target.indexOf("?") + 1 || target.length);
