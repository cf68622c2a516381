import postgres from "postgres";
import { type HttpServer, openHttpServer } from "../http/server.ts";
import { openMetrics, openMetricsType } from "./metric-family.ts";
import { metricFamilies, type Reading, readingStatements } from "./readings.ts";

/** Scrapes that come together share a reading. */
const sharedForMs = 100;

/**
 * `GET /metrics`: what PostgreSQL says of itself, read anew for each scrape. While it is away the
 * answer says so; the next scrape tries again.
 * @param options.databaseUrl of a role with `pg_monitor`.
 */
export async function openPostgresMetrics(options: {
  /** 0 for any free port. */
  readonly port: number;
  readonly databaseUrl: string;
  /** Name by which containers ask for this machine. */
  readonly containerHost?: string | undefined;
  readonly onError: (error: unknown) => void;
}): Promise<HttpServer> {
  const sql = postgres(options.databaseUrl, {
    max: 1,
    connect_timeout: 1,
    backoff: false,
    max_lifetime: null,
    onnotice: () => {},
    connection: { application_name: "lab-postgres-metrics", statement_timeout: 1_500 },
  });
  let shared: { readonly at: number; readonly text: Promise<string> } | undefined;

  async function read(): Promise<string> {
    try {
      const reading = (await sql.unsafe(readingStatements).simple()) as unknown as Reading;
      return openMetrics(metricFamilies(reading));
    } catch {
      // Normal while PostgreSQL restarts or its port is another.
      return openMetrics(metricFamilies(undefined));
    }
  }
  const server = await openHttpServer({
    port: options.port,
    containerHost: options.containerHost,
    onError: options.onError,
    routes: [
      {
        method: "GET",
        path: /^\/metrics$/,
        handle: async ({ response }) => {
          if (shared === undefined || performance.now() - shared.at > sharedForMs)
            shared = { at: performance.now(), text: read() };
          const text = await shared.text;
          response.writeHead(200, { "content-type": openMetricsType, "cache-control": "no-store" });
          response.end(text);
        },
      },
    ],
  });
  return {
    port: server.port,
    close: async (graceMs) => {
      await Promise.all([server.close(graceMs), sql.end({ timeout: 0 })]);
    },
  };
}
