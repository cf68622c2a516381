import { connect } from "node:net";
import postgres from "postgres";
import { databaseUrl } from "#lab/services/postgres/database-url.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import type { Supervisor } from "#lab/supervisor/supervisor.ts";
import type { SystemFact } from "#lab/system.ts";

/** Facts are asked for around every run; a service that does not answer in this time has none. */
const limitMs = 2000;
const settings = ["maxmemory", "maxmemory-policy", "timeout", "appendonly", "save"];

export interface FactReader {
  readonly read: () => Promise<readonly SystemFact[]>;
  readonly close: () => Promise<void>;
}

/** Reads the state inside the services that scenarios may change: the shop's indexes, Valkey's settings and lasting keys. */
export function openFactReader(
  supervisor: Pick<Supervisor, "services">,
  secrets: Secrets,
): FactReader {
  let database: { readonly port: number; readonly sql: postgres.Sql } | undefined;

  const portOf = (id: "postgres" | "valkey" | "valkey-cache"): number | undefined => {
    const row = supervisor.services().find((service) => service.id === id);
    return row?.state === "ready" ? (row.port ?? undefined) : undefined;
  };
  const connected = (port: number): postgres.Sql => {
    if (database?.port === port) return database.sql;
    void database?.sql.end({ timeout: 0 });
    const sql = postgres(databaseUrl("otel_monitor", secrets.monitorPassword, port), {
      ...{ max: 1, idle_timeout: 30, connect_timeout: 1, onnotice: () => {} },
      connection: { application_name: "lab-facts" },
    });
    database = { port, sql };
    return sql;
  };
  const indexes = async (): Promise<readonly SystemFact[]> => {
    const port = portOf("postgres");
    if (port === undefined) return [];
    const rows = await connected(port)<{ name: string }[]>`
      select c.relname || case when i.indisvalid then '' else ' (invalid)' end as name
      from pg_index i join pg_class c on c.oid = i.indexrelid
      join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'shop' order by 1`;
    const values = rows.map(({ name }) => name);
    return [{ what: "indexes of the shop", of: "postgres", values }];
  };
  const valkey = (id: "valkey" | "valkey-cache") => async (): Promise<readonly SystemFact[]> => {
    const port = portOf(id);
    if (port === undefined) return [];
    const reply = await askValkey(port, [
      ["AUTH", secrets.valkeyPassword],
      ...settings.map((name) => ["CONFIG", "GET", name]),
      ["INFO", "keyspace"],
    ]);
    return valkeyFacts(reply, id === "valkey" ? "Valkey" : "the small Valkey");
  };

  return {
    read: async () =>
      (await Promise.all([indexes, valkey("valkey"), valkey("valkey-cache")].map(inTime))).flat(),
    close: async () => void (await database?.sql.end({ timeout: 0 })),
  };
}

/** @param reply raw answers of CONFIG GET and INFO; what a server does not know is left out. */
export function valkeyFacts(reply: string, whose = "Valkey"): readonly SystemFact[] {
  const facts: SystemFact[] = settings.flatMap((name) => {
    const found = new RegExp(`\\$\\d+\\r\\n${name}\\r\\n\\$\\d+\\r\\n([^\\r]*)\\r\\n`).exec(reply);
    return found === null
      ? []
      : [{ what: `${whose}'s ${name}`, of: "valkey" as const, values: [found[1] || '""'] }];
  });
  if (!/# Keyspace/i.test(reply)) return facts;
  const lasting = [...reply.matchAll(/^db\d+:keys=(\d+),expires=(\d+)/gm)].reduce(
    (sum, [, keys, expiring]) => sum + Number(keys) - Number(expiring),
    0,
  );
  return [
    ...facts,
    { what: `${whose}'s keys without expiry`, of: "valkey", values: [`${lasting}`] },
  ];
}

async function inTime(read: () => Promise<readonly SystemFact[]>): Promise<readonly SystemFact[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly SystemFact[]>((resolve) => {
    timer = setTimeout(resolve, limitMs, []);
  });
  try {
    return await Promise.race([read().catch(() => []), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends commands in one go (https://valkey.io/topics/protocol/); resolves with the raw replies once `QUIT` ended the connection. */
function askValkey(port: number, commands: readonly (readonly string[])[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let text = "";
    socket.setTimeout(limitMs, () => socket.destroy(new Error("no answer")));
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("utf8");
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
    socket.write(
      [...commands, ["QUIT"]]
        .map((words) =>
          [
            `*${words.length}`,
            ...words.flatMap((word) => [`$${Buffer.byteLength(word)}`, word]),
            "",
          ].join("\r\n"),
        )
        .join(""),
    );
  });
}
