import { expect, test } from "vitest";
import { parseEnv } from "./env.ts";

const good = {
  LAB_SERVER_PORT: "20100",
  LAB_SERVER_METRICS_PORT: "20101",
  LAB_ORIGIN: "http://localhost:4700",
  LAB_DOOR_SECRET: "0123456789abcdef",
  LAB_TICKET_KEY: "0123456789abcdef",
  DATABASE_URL: "postgres://lab_app:pw@127.0.0.1:5432/lab",
  LAB_FAULT_DATABASE_URL: "postgres://lab_fault:pw@127.0.0.1:5432/lab",
  VALKEY_URL: "redis://:pw@127.0.0.1:1",
  S3_ENDPOINT: "http://127.0.0.1:1",
  S3_BUCKET: "lab-products",
  AWS_ACCESS_KEY_ID: "lab",
  AWS_SECRET_ACCESS_KEY: "secret-of-this-test-start",
  AWS_REGION: "us-east-1",
  OIDC_ISSUER: "http://127.0.0.1:1/realms/lab",
  OIDC_CLIENT_ID: "lab-server",
  OIDC_CLIENT_SECRET: "client-secret-of-this-start",
  LAB_COOKIE_KEYS: "cookie-key-of-this-test-start",
  LAB_USER_NAME: "ada",
  LAB_USER_PASSWORD: "user-password-of-this-start",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318/",
  LAB_VERSION: "0.1.0",
};

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
