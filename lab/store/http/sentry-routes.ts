import { MalformedEnvelope } from "../envelope.ts";
import { nestsDeeperThan } from "../json-depth.ts";
import type { Store } from "../store.ts";
import { sendJson } from "./answer.ts";
import type { BodyReader } from "./body.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

/** Deepest nesting of an item's JSON. SDKs normalise to a handful of levels. */
const maxDepth = 128;

/** Where Sentry SDKs send: any project, any key, any content type. */
export function sentryRoutes(store: Store, readBody: BodyReader): readonly Route[] {
  return [
    {
      method: "POST",
      path: /^\/api\/[0-9A-Za-z_-]+\/envelope\/?$/,
      handle: async ({ request, response }) => {
        const body = await readBody(request);
        if (nestsDeeperThan(body, maxDepth)) throw malformed("nested too deep");
        try {
          const { eventId } = await store.addEnvelope(body);
          sendJson(response, eventId === null ? {} : { id: eventId });
        } catch (error) {
          if (error instanceof MalformedEnvelope) throw malformed(error.message);
          throw error;
        }
      },
    },
  ];
}

const malformed = (why: string): Refusal =>
  new Refusal(400, "malformed", `The body is no Sentry envelope: ${why}.`, {
    hint: "Send what a Sentry SDK sends: a header line, then items of a header line and a payload.",
  });
