import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { expectationParts, expectationSchema } from "./expectation-schema.ts";

/**
 * JSON schema (draft 2020-12) of a scenario's `expect`, made from the schema that judges load by. The
 * function of a `check` has no form in JSON and is left out.
 */
export function expectationsJsonSchema(): JsonSchema {
  const schema = toJsonSchema(v.array(expectationSchema), {
    target: "draft-2020-12",
    definitions: expectationParts,
    errorMode: "ignore",
    overrideSchema: ({ valibotSchema, jsonSchema }) =>
      valibotSchema.type === "function" ? { not: {} } : jsonSchema,
  });
  return { title: "What a scenario must leave behind", ...schema };
}
