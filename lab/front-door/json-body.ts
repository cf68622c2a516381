import type { IncomingMessage } from "node:http";
import * as v from "valibot";
import { LabError } from "../errors.ts";
import { bodyLimits } from "./guard.ts";

/**
 * Reads a request body and checks it against a schema.
 * @throws LabError `body-too-large`, `bad-json`, or `bad-request` that lists every problem.
 */
export async function readJson<S extends v.GenericSchema>(
  request: IncomingMessage,
  schema: S,
): Promise<v.InferOutput<S>> {
  return parse(schema, parseText(await readText(request)));
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= bodyLimits.control) chunks.push(chunk);
    else reject(tooLargeBody());
  });
  request.once("end", () => resolve(Buffer.concat(chunks).toString()));
  request.once("error", reject);
  return promise;
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LabError("bad-json", "The body is not JSON.", {
      cause,
      hint: 'Send one JSON object, e.g. {"scenario":"db.n-plus-one"}.',
    });
  }
}

/** Checks a value that came from outside. @throws LabError `bad-request` that lists every problem. */
export function parse<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => {
    const path = v.getDotPath(issue);
    return path === null ? issue.message : `${path}: ${issue.message}`;
  });
  throw new LabError("bad-request", `${problems.join("; ")}.`, {
    hint: "Correct what is named and send it again.",
  });
}

const tooLargeBody = (): LabError =>
  new LabError("body-too-large", `The body is larger than ${bodyLimits.control} bytes.`, {
    hint: "Send it in smaller pieces.",
  });
