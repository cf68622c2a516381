import * as v from "valibot";

const text = v.pipe(v.string(), v.minLength(1));
/** YAML reads yes, no and numbers as something else than text. */
const environment = v.record(v.pipe(v.string(), v.regex(/^[A-Z][A-Z0-9_]*$/)), v.string());
const duration = v.pipe(v.string(), v.regex(/^(?:\d+(?:ms|s|m|h))+$/));
const size = v.pipe(v.string(), v.regex(/^\d+[kmg]$/));
const path = v.pipe(v.string(), v.regex(/^\//));
/** `127.0.0.1:${LAB_X_PORT:-1}:1` */
const port = v.pipe(v.string(), v.regex(/^[\d.]+:\$\{\w+:-\d+\}:\d+$/));

const mount = v.variant("type", [
  v.strictObject({
    type: v.literal("bind"),
    source: text,
    target: path,
    read_only: v.literal(true),
  }),
  v.strictObject({ type: v.literal("volume"), source: text, target: path }),
]);

const healthcheck = v.strictObject({
  test: v.pipe(
    v.array(text),
    v.check(([how = "", ...rest]) =>
      how === "CMD-SHELL" ? rest.length === 1 : how === "CMD" && rest.length > 0,
    ),
  ),
  interval: duration,
  timeout: duration,
  start_period: duration,
  retries: v.pipe(v.number(), v.integer()),
});

const service = v.strictObject({
  image: text,
  restart: v.picklist(["no", "always", "on-failure", "unless-stopped"]),
  pull_policy: v.picklist(["always", "never", "missing", "build"]),
  security_opt: v.array(text),
  logging: v.strictObject({ driver: text, options: v.record(v.string(), v.string()) }),
  command: v.optional(v.array(text)),
  environment: v.optional(environment),
  env_file: v.optional(v.array(v.strictObject({ path: text, required: v.optional(v.boolean()) }))),
  volumes: v.optional(v.array(mount)),
  tmpfs: v.optional(v.array(path)),
  ports: v.array(port),
  extra_hosts: v.optional(v.array(v.pipe(v.string(), v.regex(/^[\w.-]+=[\w.-]+$/)))),
  depends_on: v.optional(
    v.record(
      text,
      v.strictObject({ condition: v.picklist(["service_started", "service_healthy"]) }),
    ),
  ),
  healthcheck: v.optional(healthcheck),
  stop_signal: v.optional(v.pipe(v.string(), v.regex(/^SIG[A-Z]+$/))),
  shm_size: v.optional(size),
  mem_limit: size,
});

/**
 * The part of the Compose Specification that compose.yaml uses, before its variables are filled in; a
 * key that is not of it is a mistake (https://github.com/compose-spec/compose-spec/blob/main/spec.md).
 */
export const composeSchema = v.pipe(
  v.strictObject({
    name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9_-]*$/)),
    services: v.record(text, service),
    volumes: v.record(text, v.strictObject({})),
  }),
  v.check(
    ({ services }) =>
      Object.values(services).every(({ depends_on = {} }) =>
        Object.keys(depends_on).every((name) => services[name]?.healthcheck !== undefined),
      ),
    "only one that is there and has a health check can be waited for",
  ),
  v.check(({ services, volumes }) => {
    const mounts = Object.values(services).flatMap(({ volumes: all = [] }) => all);
    const named = mounts.flatMap(({ type, source }) => (type === "volume" ? source : []));
    return named.toSorted().join() === Object.keys(volumes).toSorted().join();
  }, "volumes that are mounted are declared, and the other way round"),
);
