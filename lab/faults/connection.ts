import { connect, type Socket } from "node:net";
import type { Toxic } from "#scenarios/fault.ts";
import { type Effects, effectsOf, noEffects } from "./effects.ts";
import { openLink } from "./link.ts";
import { answerInstead } from "./stand-in-answer.ts";

/** One connection of a client, and the one to the service that stands for it. */
export interface Connection {
  readonly setToxics: (toxics: readonly Toxic[]) => void;
  /** Ends both sides in a TCP reset. */
  readonly reset: () => void;
  /** Ends both sides at once, in order. */
  readonly drop: () => void;
}

/**
 * Connects to the service and lets both sides speak as if nobody were between: half-closed ends,
 * resets and the pressure of a slow reader are passed on. A service that cannot be reached shows as
 * a reset, since the client's connection has been accepted already.
 *
 * @param port of the service; undefined while it has none.
 */
export function openConnection(
  client: Socket,
  port: number | undefined,
  toxics: readonly Toxic[],
  onGone: () => void,
): Connection {
  client.setNoDelay(true);
  const instead = toxics.find((toxic) => toxic.kind === "answer");
  if (instead !== undefined) return answerInstead(client, instead, onGone);
  if (port === undefined) {
    client.on("error", () => {});
    client.on("close", onGone);
    client.resetAndDestroy();
    return { setToxics: () => {}, reset: () => {}, drop: () => {} };
  }
  const service = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  const requests = openLink(client, service, shared(effectsOf(toxics, "requests")));
  const answers = openLink(service, client, shared(effectsOf(toxics, "answers")));
  let held = isHeld(toxics);

  const reset = (): void => {
    for (const socket of [client, service]) if (!socket.destroyed) socket.resetAndDestroy();
  };
  const drop = (): void => {
    client.destroy();
    service.destroy();
  };
  client.on("error", reset);
  service.on("error", reset);
  const closed = (): void => {
    if (!client.destroyed || !service.destroyed) return;
    requests.close();
    answers.close();
    onGone();
  };
  client.on("close", closed);
  service.on("close", closed);

  return {
    reset,
    drop,
    setToxics: (now) => {
      const wasHeld = held;
      held = isHeld(now);
      // Its client has given up: what it asked long ago must not be done now.
      if (wasHeld && !held && requests.endWaits()) {
        reset();
        return;
      }
      requests.setEffects(shared(effectsOf(now, "requests")));
      answers.setEffects(shared(effectsOf(now, "answers")));
    },
  };
}

const isHeld = (toxics: readonly Toxic[]): boolean => toxics.some(({ kind }) => kind === "hang");

/** The one value that a link takes for "write at once". */
const shared = (effects: Effects): Effects =>
  Object.entries(noEffects).every(([name, value]) => effects[name as keyof Effects] === value)
    ? noEffects
    : effects;
