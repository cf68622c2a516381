import type { BoardRow } from "./board.ts";

/** What a lab that starts in the background tells the command that started it, over its IPC channel. */
export type StartMessage =
  | { readonly type: "row"; readonly row: BoardRow }
  | { readonly type: "note"; readonly line: string }
  /** `link` is where to send a person; it may be a secret, so it never goes to the log. */
  | { readonly type: "ready"; readonly link: string }
  | {
      readonly type: "failed";
      readonly code: string;
      readonly message: string;
      readonly hint: string;
    };

const variable = "LAB_BACKGROUND";

/** Environment of a lab that has to outlive the command that started it. */
export const backgroundEnv: Readonly<Record<string, string>> = { [variable]: "1" };

export const isBackground = (env: Readonly<Record<string, string | undefined>>): boolean =>
  env[variable] === "1" && process.channel !== undefined;

/** Resolves once the message is on its way. One that nobody hears any more is no error. */
export function tellStarter(message: StartMessage): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || process.send === undefined) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}
