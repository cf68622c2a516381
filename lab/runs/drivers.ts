/**
 * Who is there to drive runs: pages and programs that hold an event stream open under a name of
 * their own. A stream may break and come back, so that somebody is gone only after a while.
 */
export interface Drivers {
  /** A stream of this client has opened. To be called back once when it has closed. */
  readonly arrived: (client: string) => () => void;
  /** Calls back once, when the client has gone. The result ends the watch. */
  readonly watch: (client: string, onGone: () => void) => () => void;
}

/** All in milliseconds. */
export interface DriverPatience {
  /** Without a stream for so long, a client that had one has gone. */
  readonly graceMs: number;
  /** As long for one that has had none yet. */
  readonly firstMs: number;
}
/** A page that is cut off, because it fell behind, is back after its first pause of a quarter second. */
const usualPatience: DriverPatience = { graceMs: 5_000, firstMs: 30_000 };

interface Client {
  streams: number;
  readonly watchers: Set<() => void>;
  timer: NodeJS.Timeout | undefined;
}

export function openDrivers({ graceMs, firstMs }: DriverPatience = usualPatience): Drivers {
  const clients = new Map<string, Client>();

  function clientOf(name: string): Client {
    const known = clients.get(name);
    if (known !== undefined) return known;
    const client: Client = { streams: 0, watchers: new Set(), timer: undefined };
    clients.set(name, client);
    return client;
  }

  /** Nobody has to be remembered who has no stream and drives nothing. */
  function settle(name: string, client: Client, patienceMs: number): void {
    clearTimeout(client.timer);
    if (client.streams > 0) return;
    if (client.watchers.size === 0) {
      if (clients.get(name) === client) clients.delete(name);
      return;
    }
    client.timer = setTimeout(() => {
      for (const onGone of [...client.watchers]) onGone();
    }, patienceMs).unref();
  }

  return {
    arrived(name) {
      const client = clientOf(name);
      client.streams += 1;
      settle(name, client, graceMs);
      return () => {
        client.streams -= 1;
        settle(name, client, graceMs);
      };
    },
    watch(name, onGone) {
      const isNew = !clients.has(name);
      const client = clientOf(name);
      client.watchers.add(onGone);
      if (isNew) settle(name, client, firstMs);
      return () => {
        if (client.watchers.delete(onGone)) settle(name, client, graceMs);
      };
    },
  };
}
