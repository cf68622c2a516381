import { setTimeout as pause } from "node:timers/promises";
import { context } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import postgres from "postgres";
import type { BackendKiller } from "#scenarios/define.ts";

const lookEveryMs = 5;
const giveUpAfterMs = 2000;
/** Role under which the database counts the connections of reports. */
const reportsRole = "lab_reports";
/** As many as the lab gives the role when it makes it. */
const usualReportConnections = 5;

/**
 * Ends backends of the app from outside, as an operator would. The fault role may signal backends
 * but not read their statements, so the app's own role looks for the victim. Both use a short-lived
 * connection of their own, and nothing of it shows in the run's trace.
 */
export function backendKiller(urls: {
  readonly appUrl: string;
  readonly faultUrl: string;
}): BackendKiller {
  const connect = (url: string) =>
    postgres(url, { max: 1, fetch_types: false, connect_timeout: 5, onnotice() {} });
  return {
    terminate: (marker) =>
      context.with(suppressTracing(context.active()), async () => {
        const app = connect(urls.appUrl);
        const fault = connect(urls.faultUrl);
        try {
          const pids = await until(
            async () => {
              const rows = await app<{ pid: number }[]>`
                select pid from pg_stat_activity
                where state <> 'idle' and pid <> pg_backend_pid()
                  and usename = current_user and position(${marker} in query) > 0`;
              return rows.map(({ pid }) => pid);
            },
            (found) => found.length > 0,
          );
          if (pids.length === 0) return 0;
          await Promise.all(pids.map((pid) => fault`select pg_terminate_backend(${pid}::integer)`));
          await until(
            () => app`select pid from pg_stat_activity where pid in ${app(pids)}`,
            (left) => left.length === 0,
          );
          return pids.length;
        } finally {
          await Promise.all([app.end({ timeout: 1 }), fault.end({ timeout: 1 })]);
        }
      }),
    limitReports: (connections = usualReportConnections) =>
      context.with(suppressTracing(context.active()), async () => {
        const fault = connect(urls.faultUrl);
        try {
          await fault`select operations.limit_reports(${connections}::integer)`;
          await until(
            () => fault`
              select pg_terminate_backend(pid) from pg_stat_activity
              where usename = ${reportsRole}`,
            (left) => left.length === 0,
          );
        } finally {
          await fault.end({ timeout: 1 });
        }
      }),
  };
}

/** Where the app connects to prepare reports: as another role, with the same password. */
export function asReports(appUrl: string): string {
  const url = new URL(appUrl);
  url.username = reportsRole;
  return url.href;
}

/** Asks again until the answer is good or the time is over, and gives the last answer. */
async function until<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + giveUpAfterMs;
  for (;;) {
    const answer = await ask();
    if (isGood(answer) || Date.now() > deadline) return answer;
    await pause(lookEveryMs);
  }
}
