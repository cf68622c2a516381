import * as v from "valibot";
import type { StageProps } from "../stage.ts";

/** How a request ended, as a script sees it. */
export interface Outcome {
  /** 0 when there was no answer. */
  readonly status: number;
  readonly body: unknown;
  readonly error: unknown;
  /** Name of the error; `none` without. */
  readonly thrown: string;
}

/** An answer that is none: `fetch` itself does not throw for a status. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
  constructor(status: number) {
    super(`the products were answered with ${status}`);
  }
}

/** Nobody listens here, and the page's own policy lets nothing out to it either. */
const nowhere = "http://localhost:1/api/products";
/** The digest of something else: the browser gets the answer and keeps it to itself. */
const wrongDigest = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
/** Long enough for the request to be under way. */
const leavesAfterMs = 150;

/** Asks for the products in the given way. Never rejects. */
export async function load(way: string, request: StageProps["request"]): Promise<Outcome> {
  if (way === "never arrives") return outcomeOf(() => fetch(nowhere));
  if (way === "answer withheld") {
    return outcomeOf(() => fetch("/api/products", { integrity: wrongDigest }));
  }
  const leaving = new AbortController();
  if (way === "aborted") setTimeout(() => leaving.abort(), leavesAfterMs);
  const { status, body, thrown } = await request(leaving.signal);
  return { status, body, error: thrown, thrown: nameOf(thrown) };
}

async function outcomeOf(ask: () => Promise<Response>): Promise<Outcome> {
  try {
    const response = await ask();
    return {
      status: response.status,
      body: await response.json(),
      error: undefined,
      thrown: "none",
    };
  } catch (error) {
    return { status: 0, body: undefined, error, thrown: nameOf(error) };
  }
}

const nameOf = (error: unknown): string =>
  error === undefined ? "none" : error instanceof Error ? error.name : typeof error;

const answerSchema = v.object({
  result: v.object({ products: v.array(v.object({ name: v.string() })) }),
});

/** Names of the products in the app's answer; none when it is something else, such as an error. */
export function productsOf(body: unknown): readonly string[] {
  const parsed = v.safeParse(answerSchema, body);
  return parsed.success ? parsed.output.result.products.map(({ name }) => name) : [];
}
