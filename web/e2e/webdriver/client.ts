import { setTimeout as pause } from "node:timers/promises";

/** What a WebDriver program says, see https://www.w3.org/TR/webdriver2/#handling-errors. */
interface Answer {
  readonly value: unknown;
}

/** A cookie as the browser keeps it: scripts of the page see less. */
interface KeptCookie {
  readonly name: string;
  readonly value: string;
  readonly path?: string;
  readonly secure?: boolean;
  readonly httpOnly?: boolean;
  readonly sameSite?: string;
}

/**
 * One window of a browser, driven over the W3C WebDriver protocol, which every engine speaks.
 * Elements are named by XPath: each command waits until there is one.
 */
export interface Window {
  /** As the browser calls itself, e.g. `firefox 140.3`. */
  readonly browser: string;
  readonly open: (url: string) => Promise<void>;
  readonly url: () => Promise<string>;
  /** @throws Error, as the others do, when no such element comes in time. */
  readonly see: (xpath: string) => Promise<void>;
  readonly click: (xpath: string) => Promise<void>;
  /** In place of what the field holds. */
  readonly type: (xpath: string, text: string) => Promise<void>;
  /** Its whole text, seen or not: engines differ in what they count as seen. */
  readonly text: (xpath: string) => Promise<string>;
  readonly cookies: () => Promise<readonly KeptCookie[]>;
  /** Runs the body of a function in the page. */
  readonly run: (body: string) => Promise<unknown>;
  readonly resize: (width: number, height: number) => Promise<void>;
  /** As PNG. */
  readonly screenshot: () => Promise<Buffer>;
  readonly close: () => Promise<void>;
}

/** Key of an element's reference in an answer, fixed by the protocol. */
const elementKey = "element-6066-11e4-a52e-4f735466cecf";
const json = { "content-type": "application/json" };
/** What passes while a page builds itself up. */
const passing = /^(no such element|stale element|element not interactable|element click inter)/;

/**
 * Opens a window.
 * @param driver Origin of the driver's HTTP server.
 * @param waitMs How long a command waits for its element.
 */
export async function openWindow(
  driver: string,
  capabilities: Readonly<Record<string, unknown>>,
  waitMs: number,
): Promise<Window> {
  const opened = (await send("POST", "/session", {
    capabilities: { alwaysMatch: capabilities },
  })) as {
    readonly sessionId: string;
    readonly capabilities: { readonly browserName: string; readonly browserVersion: string };
  };
  const own = `/session/${opened.sessionId}`;

  async function send(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${driver}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: json }),
    });
    const { value } = (await response.json()) as Answer;
    if (response.ok) return value;
    const { error, message } = value as { readonly error: string; readonly message: string };
    throw new Error(`${error}: ${message} (${method} ${path} ${JSON.stringify(body)})`);
  }

  const get = (path: string) => send("GET", `${own}${path}`);
  const post = (path: string, body: object = {}) => send("POST", `${own}${path}`, body);

  /**
   * Looks for the element anew until `use` gets through. The protocol's own wait would do, but for
   * WebKitGTK: it never answers when the page moves to another process meanwhile.
   */
  async function on<T>(xpath: string, use: (element: string) => Promise<T>): Promise<T> {
    const until = performance.now() + waitMs;
    for (;;) {
      try {
        const found = await post("/element", { using: "xpath", value: xpath });
        return await use(`/element/${(found as Readonly<Record<string, string>>)[elementKey]}`);
      } catch (error) {
        const passes = error instanceof Error && passing.test(error.message);
        if (!passes || performance.now() > until) throw error;
        await pause(50);
      }
    }
  }

  const { browserName, browserVersion } = opened.capabilities;
  return {
    browser: `${browserName} ${browserVersion}`,
    open: async (url) => void (await post("/url", { url })),
    url: async () => (await get("/url")) as string,
    see: (xpath) => on(xpath, async () => {}),
    click: (xpath) => on(xpath, async (element) => void (await post(`${element}/click`))),
    type: (xpath, text) =>
      on(xpath, async (field) => {
        await post(`${field}/clear`);
        await post(`${field}/value`, { text });
      }),
    text: (xpath) =>
      on(xpath, async (element) => (await get(`${element}/property/textContent`)) as string),
    cookies: async () => (await get("/cookie")) as readonly KeptCookie[],
    run: (body) => post("/execute/sync", { script: body, args: [] }),
    resize: async (width, height) => void (await post("/window/rect", { width, height })),
    screenshot: async () => Buffer.from((await get("/screenshot")) as string, "base64"),
    close: async () => void (await send("DELETE", own)),
  };
}
