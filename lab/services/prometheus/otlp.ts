import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isAskedFor } from "#lab/providers/asked-for.ts";
import { binVariable } from "#lab/providers/bin-variable.ts";
import { onPath } from "#lab/providers/path.ts";
import type { Env } from "#lab/state/lab-dir.ts";

/** A Prometheus that is installed here, and how to get one. */
export const installedPrometheus = onPath(
  ["prometheus"],
  "Install it: brew install prometheus, sudo apt install prometheus, nix profile install nixpkgs#prometheus, Docker: prom/prometheus",
);

const flag = "web.enable-otlp-receiver";
/** Lets metrics be sent to it (https://prometheus.io/docs/guides/opentelemetry/). */
export const otlpFlag = `--${flag}`;

/**
 * Whether the Collector sends metrics to Prometheus, instead of being scraped for them. Only to one
 * that is installed: a fetched one may not be here yet when the Collector asks.
 */
export async function sendsOtlp(env: Env): Promise<boolean> {
  if (!isAskedFor(env, "collector")) return false;
  const given = env[binVariable("prometheus")];
  const found = await (given
    ? installedPrometheus.named(given)
    : installedPrometheus.provider(env));
  return "path" in found && takesOtlp(found.path);
}

/** From version 3 on there is a flag for it, unless it was built without. */
async function takesOtlp(file: string): Promise<boolean> {
  const said = await promisify(execFile)(file, ["--help"], { timeout: 20_000 }).catch(() => ({
    stdout: "",
  }));
  // Help writes it with an optional "no-".
  return said.stdout.includes(flag);
}
