import * as v from "valibot";

const progressLineSchema = v.object({
  "lab.progress": v.object({
    step: v.pipe(v.string(), v.maxLength(200)),
    done: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  }),
});

/** What a service says about a long step: a line of its output that is a JSON object with `lab.progress`. Undefined for every other line. */
export function parseProgress(line: string): { step: string; done: number } | undefined {
  if (!line.includes('"lab.progress"')) return undefined;
  try {
    const read = v.safeParse(progressLineSchema, JSON.parse(line));
    return read.success ? read.output["lab.progress"] : undefined;
  } catch {
    return undefined;
  }
}
