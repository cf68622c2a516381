import { setImmediate as nextTurn } from "node:timers/promises";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { integer } from "../param-spec.ts";

/** Attributes and events per span that OpenTelemetry keeps unless it is told otherwise. */
const kept = 128;
const documentKey = "lab.import.document";
/** Tempo cuts attributes there once more, and leaves no mark (https://grafana.com/docs/tempo/latest/troubleshooting/out-of-memory-errors/). */
const tempoCutsAt = 2048;

export default defineScenario({
  id: "pipe.huge-span",
  title: "A span that is far too large",
  summary:
    "An import puts its whole document, every row and every step on one span; limits cut it, and count what they cut.",
  story: `Somebody wanted to see everything: the import's span carries the document as an attribute, one attribute per row and one event per step. Multiplied by every request this fills queues, breaks the limits of receivers (Tempo refuses a trace above 5 MB, a collector a body above 20 MiB) and makes pages that show it hang.

Limits have to be everywhere: the SDK keeps 128 attributes and 128 events per span and counts what it dropped, long texts are cut and say so, the store bounds what it keeps. What must not happen is silence: a span that lacks half its events has to tell how many.

You see one fat span with its counts of dropped attributes and events, and its rows as child spans; the store goes on, and so does this page. Teams put counts and ids on spans, and documents into storage.`,
  params: {
    kilobytes: integer({
      label: "Document",
      default: 1024,
      min: 1,
      max: 8192,
      unit: "KiB",
    }),
    attributes: integer({ label: "Attributes", default: 500, min: 1, max: 2000 }),
    events: integer({ label: "Events", default: 1000, min: 1, max: 10_000 }),
    spans: integer({ label: "Child spans", default: 100, min: 1, max: 50_000 }),
  },
  modes: ["fault", "control"],
  leases: ["metrics"],
  timeoutMs: 40_000,
  async serve({ mode, params, sql, tracer, log }) {
    await inSpan(tracer, { name: "import catalogue" }, async (span) => {
      const full = mode === "fault";
      span.setAttribute("lab.import.rows", params.attributes);
      if (full) {
        span.setAttribute(documentKey, "0123456789abcdef".repeat(params.kilobytes * 64));
        for (let row = 0; row < params.attributes; row++) {
          span.setAttribute(`lab.import.row.${row}`, row);
        }
        for (let step = 0; step < params.events; step++) span.addEvent("step", { step });
      }
      for (let row = 0; row < params.spans; row++) {
        tracer.startSpan("import row", { attributes: { row } }).end();
        // The queue of finished spans is bounded: let it send.
        if (row % 500 === 499) await nextTurn();
      }
      await sql`select count(*)::integer as products from products`;
      log.info({ rows: params.attributes }, "catalogue imported");
    });
    return { rows: params.attributes };
  },
  expect: [
    {
      signal: "check",
      title: "the span keeps 128 attributes and tells how many it dropped",
      check: ({ spans, params }) => {
        const [span, ...others] = spans.filter(({ name }) => name === "import catalogue");
        if (span === undefined || others.length > 0) {
          return { ok: false, seen: `${others.length} spans` };
        }
        const present = Object.keys(span.attributes).length;
        // Beside the rows: their number, the document, and the three of the run.
        const sent = Number(params.attributes) + 2 + 3;
        return {
          ok: present === Math.min(kept, sent) && present + span.droppedAttributes === sent,
          seen: `${present} kept, ${span.droppedAttributes} dropped, of ${sent}`,
        };
      },
      why: "Attributes beyond the limit are left out, and the span says how many.",
      hint: "See spanLimits of the SDK: https://opentelemetry.io/docs/specs/otel/common/#attribute-limits.",
    },
    {
      signal: "check",
      title: "the span keeps 128 events and tells how many it dropped",
      check: ({ spans, params }) => {
        const span = spans.find(({ name }) => name === "import catalogue");
        if (span === undefined) return { ok: false, seen: "no such span" };
        return {
          ok:
            span.events.length === Math.min(kept, Number(params.events)) &&
            span.events.length + span.droppedEvents === Number(params.events),
          seen: `${span.events.length} kept, ${span.droppedEvents} dropped, of ${params.events}`,
        };
      },
      why: "Events beyond the limit push out the oldest, and the span says how many are gone.",
      hint: "The count is droppedEventsCount in OTLP; a store that forgets it hides the gap.",
    },
    {
      signal: "check",
      title: "the document is cut to at most 33 KiB and says so",
      check: ({ spans, params }) => {
        const span = spans.find(({ name }) => name === "import catalogue");
        const text = span?.attributes[documentKey];
        if (typeof text !== "string") return { ok: false, seen: "no document on the span" };
        const whole = text.length === Number(params.kilobytes) * 1024;
        const marked = !text.endsWith("0123456789abcdef") || text.length === tempoCutsAt;
        return {
          // What is small enough is left as it is.
          ok: text.length <= 33 * 1024 && (whole || marked),
          seen: `${text.length} characters of ${Number(params.kilobytes) * 1024}, ending in "${text.slice(-12)}"`,
        };
      },
      why: "A text of this size helps nobody on a span: its beginning is kept, with a mark where it was cut.",
      hint: "Texts are cut where spans are redacted, before they are sent, and again by the store.",
    },
    {
      signal: "span",
      select: { name: "import row", childOf: { name: "import catalogue" } },
      count: "${params.spans}",
      modes: ["fault", "control"],
      why: "Many spans are no reason to lose one: every child arrives.",
      hint: "If some are missing, see lab_telemetry_dropped_total: the queue has a limit.",
    },
    {
      signal: "metric",
      name: "lab_telemetry_dropped_total",
      delta: 0,
      modes: ["fault", "control"],
      why: "Nothing was refused by the receiver and nothing pushed out of the queue.",
      hint: "A rejected batch takes its innocent neighbours with it.",
    },
    {
      signal: "component",
      component: "store",
      restarts: 0,
      modes: ["fault", "control"],
      why: "The store outlives whatever it is sent.",
      hint: "Exit code 134 or 137 means that it ran out of memory.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "A large span must not cost the app its life.",
      hint: "Look at the server's log for what ended it.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "catalogue imported",
      count: 1,
      correlated: true,
      modes: ["fault", "control"],
      why: "The log line is small: a number of rows, and the ids that lead to the span.",
      hint: "It is written inside the span of the import.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "Too much telemetry is no error of the app.",
      hint: "An event here belongs to another fault.",
    },
    {
      signal: "span",
      select: { name: "import catalogue", attributes: { [documentKey]: { exists: false } } },
      count: 1,
      modes: ["control"],
      why: "The same import with a number of rows instead of the rows.",
      hint: "Look what else puts the document on the span.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, whole whatever its size.",
      hint: "An orphan means that a batch was lost.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The import works: only its telemetry was too much.",
      hint: "Open the trace: something else failed.",
    },
  ],
});
