import type { IncomingMessage, ServerResponse } from "node:http";
import { LabError } from "../errors.ts";
import { answerError, answerPage, type HeaderPairs, wantsPage } from "./answer.ts";
import { type Assets, loadAssets } from "./assets.ts";
import { type BuildPageOptions, type BuiltPage, buildPage, type PageProgress } from "./page.ts";
import { notHere, starting } from "./troubles.ts";

/** Serves the page, whatever state its build is in. */
export interface PageHost {
  /** Starts the build. Rejects with the `LabError` of a failed one. */
  readonly open: () => Promise<BuiltPage>;
  /** @param path of a file of the page; `/index.html` stands for every address of its router. */
  readonly serve: (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    added?: HeaderPairs,
  ) => void;
  /** Stops a build under way. */
  readonly close: () => Promise<void>;
}

/** Makes the page, or finds it made. */
export type BuildPage = (options: BuildPageOptions) => Promise<BuiltPage>;

type PageState =
  | { readonly state: "building"; readonly progress: PageProgress }
  | { readonly state: "built"; readonly assets: Assets }
  | { readonly state: "failed"; readonly error: LabError };

/** Nothing is built before `open`. */
export function openPageHost(options: BuildPageOptions, build: BuildPage = buildPage): PageHost {
  const stopping = new AbortController();
  let page: PageState = { state: "building", progress: { step: "building the page", done: 0 } };

  let opened: Promise<BuiltPage> | undefined;

  function open(): Promise<BuiltPage> {
    opened ??= load();
    // Whoever opened the door may never look at the promise; the page itself shows the failure.
    opened.catch(() => undefined);
    return opened;
  }

  async function load(): Promise<BuiltPage> {
    try {
      const built = await build({
        ...options,
        signal: stopping.signal,
        onProgress: (progress) => {
          page = { state: "building", progress };
          options.onProgress?.(progress);
        },
      });
      page = { state: "built", assets: await loadAssets(built.dir) };
      return built;
    } catch (error) {
      page = { state: "failed", error: asLabError(error) };
      throw page.error;
    }
  }

  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    added: HeaderPairs = [],
  ): void {
    switch (page.state) {
      case "built":
        if (page.assets.has(path)) page.assets.serve(request, response, path, added);
        else answerNotFound(request, response);
        break;
      case "building":
        answerStarting(request, response, page.progress);
        break;
      case "failed":
        answerFailed(request, response, page.error);
        break;
    }
  }

  return {
    open,
    serve,
    close: async () => {
      stopping.abort();
      await opened?.catch(() => undefined);
    },
  };
}

export function answerNotFound(request: IncomingMessage, response: ServerResponse): void {
  if (wantsPage(request)) {
    answerPage(response, 404, { title: "Not found", lines: [notHere.message, notHere.hint] });
  } else {
    answerError(response, 404, notHere);
  }
}

function answerStarting(
  request: IncomingMessage,
  response: ServerResponse,
  { step, done }: PageProgress,
): void {
  const retry = [["retry-after", "1"]] as const;
  if (!wantsPage(request)) {
    answerError(response, 503, starting, retry);
    return;
  }
  const lines = [
    `${step}, ${Math.round(done * 100)} %`,
    "This page opens by itself when it is ready.",
  ];
  answerPage(
    response,
    503,
    { title: "The Observability Lab is starting", lines, refreshSeconds: 1 },
    retry,
  );
}

function answerFailed(request: IncomingMessage, response: ServerResponse, error: LabError): void {
  const { code, hint } = error;
  const [message = "", ...detail] = error.message.split("\n");
  if (!wantsPage(request)) {
    answerError(response, 500, { code, message, hint });
    return;
  }
  answerPage(response, 500, { title: message, lines: [hint], detail: detail.join("\n") });
}

const asLabError = (error: unknown): LabError =>
  error instanceof LabError
    ? error
    : new LabError("page-build-failed", "The page could not be built.", {
        cause: error,
        hint: "npm run check shows what is wrong with it.",
      });
