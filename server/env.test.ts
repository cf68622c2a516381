import { expect, test } from "vitest";
import { parseEnv } from "./env.ts";
import { serverEnvironment } from "./testing/server.ts";

const database = {
  appUrl: "postgres://lab_app:pw@127.0.0.1:5432/lab",
  faultUrl: "postgres://lab_fault:pw@127.0.0.1:5432/lab",
};
const { SENTRY_DSN: _, ...environment } = serverEnvironment(database, "http://127.0.0.1:4318/");
const good = { ...environment, LAB_SERVER_PORT: "20100", LAB_SERVER_METRICS_PORT: "20101" };

test("a complete environment is read, and cannot be changed afterwards", () => {
  const parsed = parseEnv(good);
  expect(parsed).toMatchObject({
    ok: true,
    env: { port: 20100, otlpEndpoint: "http://127.0.0.1:4318", sentryDsn: undefined },
  });
  expect(parsed.ok && Object.isFrozen(parsed.env)).toBe(true);
});

test("every problem is named at once, and no value of a secret", () => {
  const parsed = parseEnv({
    ...good,
    LAB_SERVER_PORT: "70000",
    LAB_TICKET_KEY: "short-key",
    LAB_VERSION: "",
    DATABASE_URL: "mysql://user:hunter2@127.0.0.1/lab",
    SENTRY_DSN: "not a url",
  });
  if (parsed.ok) throw new Error("it was accepted");
  expect(parsed.problems).toHaveLength(5);
  expect(parsed.problems.join("\n")).toMatch(
    /LAB_SERVER_PORT[\s\S]*DATABASE_URL[\s\S]*SENTRY_DSN|LAB_TICKET_KEY/,
  );
  expect(parsed.problems.join("\n")).not.toMatch(/hunter2|short-key/);
});
