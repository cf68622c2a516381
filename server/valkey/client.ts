import { once } from "node:events";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import { Redis, type RedisOptions } from "iovalkey";
import { createCircuit } from "./circuit.ts";
import { instrumentCommands } from "./command-spans.ts";
import { isAway, scrubCommandError } from "./failure.ts";

/** A caller waits so long for a reply, or for a connection that is being made; in milliseconds. */
const usualPatienceMs = 250;
const firstBackoffMs = 25;
const maxBackoffMs = 400;
const probeEveryMs = 200;

/**
 * The app's way to Valkey: one connection for sessions, cache and publishing, one more per
 * subscriber. It may be away at any time, also at the start.
 *
 * Sessions and everything else whose caller can do without go through {@link attempt}:
 * `valkey.attempt((client) => client.get(key))`. It costs at most 250 ms once, then rejects at
 * once until Valkey is back.
 */
export interface Valkey {
  /**
   * Works with the client unless Valkey is known to be away. Keys that hold a secret, such as a
   * session's id, begin with `session:`: no span shows what follows.
   * @throws CircuitOpenError at once while it is away; else the error of the command, with a `code`.
   */
  readonly attempt: <T>(work: (client: Redis) => Promise<T>) => Promise<T>;
  /** The client itself: a command fails at once without a connection, and after 250 ms without a reply. */
  readonly client: Redis;
  /** False from the failure that opened the circuit until a probe in the background succeeds. */
  readonly isThere: () => boolean;
  /** How long callers wait from now on; without a number as long as usual. */
  readonly setPatience: (ms?: number) => void;
  /** A connection of its own, for subscriptions. It reconnects by itself, and does not subscribe anew. */
  readonly subscriber: () => Redis;
  /** Lets all connections go, those of subscribers too. */
  readonly close: () => void;
}

export interface ValkeyOptions {
  /** Instead of 250 ms. */
  readonly patienceMs?: number;
  /** Once per outage, in the context of the first call that failed. */
  readonly onAway?: (error: unknown) => void;
  /** It works again, after so many milliseconds. */
  readonly onBack?: (awayMs: number) => void;
}

/**
 * Starts connecting, and goes on trying for as long as it takes.
 * @param url `redis://:password@host:port/db`.
 */
export function openValkey(
  url: string,
  { patienceMs = usualPatienceMs, onAway, onBack }: ValkeyOptions = {},
): Valkey {
  let patience = patienceMs;
  const clients = new Set<Redis>();
  const add = (client: Redis): Redis => {
    clients.add(client);
    client.once("end", () => clients.delete(client));
    // Without a listener the driver writes to the console. What matters of it, callers hear.
    client.on("error", scrubCommandError);
    // Reconnecting goes on in the context of the first connection: it must not be a request's.
    context.with(ROOT_CONTEXT, () => {
      client.connect().catch(() => {});
    });
    return client;
  };
  const client = add(
    instrumentCommands(new Redis(url, { ...driverOptions, ...limitsOf(patience) })),
  );
  const circuit = createCircuit({
    name: "valkey",
    isAway,
    probeEveryMs,
    probe: () =>
      context.with(suppressTracing(ROOT_CONTEXT), async () => {
        if (client.status !== "ready") throw notConnected();
        try {
          await client.ping();
        } catch (error) {
          // Whatever holds up this connection, another may get through.
          client.disconnect(true);
          throw error;
        }
      }),
    ...(onAway === undefined ? {} : { onOpen: onAway }),
    ...(onBack === undefined ? {} : { onClose: onBack }),
  });
  client.on("ready", circuit.hurry);
  let connecting: Promise<void> | undefined;
  /** However many wait, the client has one listener. */
  const connectionOf = (): Promise<void> => {
    connecting ??= connected(client, patience).finally(() => {
      connecting = undefined;
    });
    return connecting;
  };
  return {
    client,
    attempt: (work) =>
      circuit.call(async () => {
        // Without one the command fails at once, and its span says that it was tried.
        if (client.status !== "ready") await connectionOf();
        return work(client);
      }),
    isThere: () => !circuit.isOpen(),
    setPatience(ms = patienceMs) {
      patience = ms;
      // The driver reads its options anew for each command and each connection.
      Object.assign(client.options, limitsOf(ms));
    },
    subscriber: () => add(client.duplicate()),
    close() {
      circuit.stop();
      for (const each of clients) each.disconnect();
    },
  };
}

const driverOptions: RedisOptions & { readonly disconnectTimeout: number } = {
  lazyConnect: true,
  // How long a connection that was given up may linger before it is destroyed; the default is 2 s.
  disconnectTimeout: 100,
  // What cannot be sent now fails now: a queue would answer late, and grow without bound.
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // The driver's own way to subscribe anew leaves a rejection that nobody handles.
  autoResubscribe: false,
  retryStrategy: (times) => Math.min(firstBackoffMs * 2 ** (times - 1), maxBackoffMs),
};

const limitsOf = (ms: number) => ({ connectTimeout: ms, commandTimeout: ms });

const notConnected = (): Error =>
  Object.assign(new Error("there is no connection to valkey"), { code: "CONNECTION_CLOSED" });

/** Waits for a connection that is being made, until it is there, fails, or a caller would wait no longer. */
const connected = (client: Redis, ms: number): Promise<void> =>
  once(client, "ready", { signal: AbortSignal.timeout(ms) }).then(
    () => undefined,
    () => undefined,
  );
