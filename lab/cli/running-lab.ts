import * as v from "valibot";
import { errorBodySchema } from "#lab/api/error.ts";
import { LabError } from "#lab/errors.ts";
import { type Running, readRunning } from "#lab/state/lock.ts";
import { readToken } from "#lab/state/token.ts";
import { header } from "#scenarios/names.ts";

/** Where a lab is, and what it asks of programs. */
export interface LabAddress {
  readonly origin: string;
  /** Of a lab that was started with `--token`. */
  readonly token: string | undefined;
}

/** A lab whose front door is open. */
export type OpenLab = Running & LabAddress;

/** Headers by which the lab knows a program of its own user. */
export const credentials = ({ token }: LabAddress): Readonly<Record<string, string>> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

/** @throws LabError `not-running`, or `starting` while it has no address yet. */
export async function requireLab(dir: string): Promise<OpenLab> {
  const running = await readRunning(dir);
  if (running === undefined) {
    throw new LabError("not-running", "No lab of this clone is running.", {
      hint: "Start one: npm run lab -- up --detach",
    });
  }
  if (running.origin === null) {
    throw new LabError("starting", `The lab (pid ${running.pid}) is still starting.`, {
      hint: "Try again in a moment.",
    });
  }
  return { ...running, origin: running.origin, token: await readToken(dir) };
}

/**
 * One JSON exchange with the front door.
 * @throws LabError with the front door's own words, or `unreachable`.
 */
export async function ask<T>(
  lab: LabAddress,
  path: string,
  request: { readonly method?: "POST"; readonly body?: unknown } = {},
): Promise<T> {
  const response = await send(lab.origin, path, {
    method: request.method ?? "GET",
    headers: {
      accept: "application/json",
      [header.csrf]: "1",
      ...credentials(lab),
      ...(request.method === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(request.method === undefined ? {} : { body: JSON.stringify(request.body ?? {}) }),
  });
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text, path);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function send(origin: string, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(new URL(path, origin), { ...init, redirect: "error" });
  } catch (error) {
    throw new LabError("unreachable", `The lab at ${origin} does not answer.`, {
      hint: "Look at it with: npm run lab -- status. If it hangs: npm run lab -- down",
      cause: error,
    });
  }
}

function refusal(status: number, text: string, path: string): LabError {
  try {
    const { error } = v.parse(errorBodySchema, JSON.parse(text));
    return new LabError(error.code, error.message, { hint: error.hint });
  } catch (cause) {
    return new LabError("refused", `The lab answered ${path} with ${status}.`, {
      hint: "npm run lab -- status shows how it is.",
      cause,
    });
  }
}
