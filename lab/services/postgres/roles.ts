import postgres from "postgres";
import { LabError } from "#lab/errors.ts";
import type { LaunchContext } from "../descriptor.ts";
import { forgetAdmin } from "./cluster.ts";
import { scramVerifier } from "./scram.ts";

/** Roles besides the superuser; none may make roles or databases, or pass row security. */
const roles = ["lab_app", "lab_reports", "otel_monitor", "lab_fault"] as const;
type Role = (typeof roles)[number];
/** The app as it prepares reports: with few connections of its own, which the database counts. */
const reportConnections = 5;

/**
 * Makes database `lab`, schema `shop`, the extension and the roles where they are missing, and gives
 * every role its rights and the password of `secrets.json`. Repeating it changes nothing.
 */
export async function settleRoles(context: LaunchContext): Promise<void> {
  const passwords: Readonly<Record<Role, string>> = {
    lab_app: context.secrets.appPassword,
    // Another name for the same app.
    lab_reports: context.secrets.appPassword,
    otel_monitor: context.secrets.monitorPassword,
    lab_fault: context.secrets.faultPassword,
  };
  await asAdmin(context, "postgres", async (sql) => {
    const found = await sql<{ name: string }[]>`
      select datname as name from pg_database where datname = 'lab'
      union all select rolname from pg_roles where rolname in ${sql(roles)}`;
    const names = new Set(found.map(({ name }) => name));
    if (!names.has("lab")) await sql.unsafe("create database lab");
    const missing = roles.filter((role) => !names.has(role));
    await sql.unsafe(
      [
        ...missing.map((role) => `create role ${role}`),
        ...roles.map(
          (role) =>
            `alter role ${role} with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password '${scramVerifier(passwords[role])}'`,
        ),
        "grant lab_app to lab_reports",
        `alter role lab_reports connection limit ${reportConnections}`,
        "revoke all on database lab, postgres, template1 from public",
        "revoke all on database lab from lab_app, otel_monitor, lab_fault",
        "grant connect on database lab to lab_app, otel_monitor, lab_fault",
        // The Collector's receiver also asks from there, whichever databases it is told to watch.
        "grant connect on database postgres to otel_monitor",
        "grant pg_monitor to otel_monitor",
        "grant pg_signal_backend to lab_fault",
        "alter role lab_app in database lab set search_path = shop",
      ].join(";"),
    );
  });
  await asAdmin(context, "lab", (sql) =>
    sql.unsafe(
      [
        "revoke all on schema public from public",
        "create schema if not exists shop authorization lab_app",
        // Tables of other sizes than the shop's, which the app makes when a scenario asks for them.
        "create schema if not exists archive authorization lab_app",
        "create schema if not exists monitoring",
        "create extension if not exists pg_stat_statements schema monitoring",
        "grant usage on schema monitoring to otel_monitor",
        "alter role otel_monitor in database lab set search_path = monitoring",
        // Only who may make roles could change the limit otherwise.
        "create schema if not exists operations",
        `create or replace function operations.limit_reports(most integer) returns void
          language plpgsql security definer set search_path = pg_catalog, pg_temp
          as $$ begin execute format('alter role lab_reports connection limit %s', most); end $$`,
        "revoke all on function operations.limit_reports from public",
        "grant usage on schema operations to lab_fault",
        "grant execute on function operations.limit_reports to lab_fault",
      ].join(";"),
    ),
  );
}

type Sql = postgres.Sql;

async function asAdmin(
  context: LaunchContext,
  database: string,
  work: (sql: Sql) => Promise<unknown>,
): Promise<void> {
  const sql = postgres({
    host: "127.0.0.1",
    port: context.port(),
    user: "lab_admin",
    password: context.secrets.adminPassword,
    database,
    max: 1,
    onnotice: () => {},
    // Verifiers are no passwords, and still nobody's business.
    connection: { application_name: "lab", "pg_stat_statements.track": "none" },
  });
  const drop = () => {
    sql.end({ timeout: 0 }).catch(() => {});
  };
  context.signal.addEventListener("abort", drop, { once: true });
  try {
    await work(sql);
  } catch (error) {
    if (!(error instanceof postgres.PostgresError && error.code === "28P01")) throw error;
    await forgetAdmin(context);
    throw new LabError("postgres-password", "PostgreSQL refuses the superuser's password.", {
      hint: "It is set anew at the next start: npm run lab -- restart postgres",
      cause: error,
    });
  } finally {
    context.signal.removeEventListener("abort", drop);
    await sql.end({ timeout: 1 });
  }
}
