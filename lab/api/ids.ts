import * as v from "valibot";

export const traceIdSchema = v.pipe(v.string(), v.regex(/^(?!0{32})[0-9a-f]{32}$/));
export const runIdSchema = v.pipe(v.string(), v.regex(/^[0-9a-z]{26}$/));
