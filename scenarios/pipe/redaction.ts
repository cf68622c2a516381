import { defineScenario, type ServeContext } from "../define.ts";
import { canaryOf } from "../names.ts";

type Plant = (place: string) => string;
type Leak = (plant: Plant, context: ServeContext<unknown>) => unknown;

/** What careless code does with secrets, each as it is seen in the field. */
const leaks: readonly Leak[] = [
  (plant, { log }) =>
    log.info(
      {
        headers: {
          authorization: `Bearer ${plant("authorization")}`,
          cookie: `lab_session=${plant("cookie")}`,
          "set-cookie": [`lab_session=${plant("setcookie")}; Path=/; HttpOnly`],
          "x-api-key": plant("apikey"),
        },
      },
      "request received",
    ),
  (plant, { log }) =>
    log.info(
      {
        body: {
          user: "ada",
          password: plant("password"),
          refresh_token: plant("refreshtoken"),
          private_key: plant("privatekey"),
        },
      },
      "sign-in attempted",
    ),
  async (plant, { http }) => {
    const query = `token=${plant("querytoken")}&code=${plant("code")}`;
    await (await http(`/api/products?${query}`)).arrayBuffer();
  },
  (plant, { tracer }) => {
    const signed = `X-Amz-Credential=${plant("credential")}&X-Amz-Signature=${plant("signature")}`;
    const span = tracer.startSpan("download plan");
    span.setAttribute("url.full", `https://bucket.example/plan.pdf?${signed}`);
    span.setAttribute("lab.note", `session_id=${plant("sessionid")}`);
    span.addEvent("token request", { form: `client_secret=${plant("clientsecret")}` });
    span.end();
  },
  (plant, { sql }) =>
    sql.unsafe(`select id from customers where email = '${plant("email")}@example.test'`),
  async (plant, { sql, report }) => {
    await sql`select ${plant("sqlvalue")}::text::integer`.catch(report);
  },
  (plant, { log, report }) => {
    // Put together: Sentry shows the lines around an error, and this one must not look like a secret.
    const address = new URL("postgres://app@127.0.0.1:5432/lab");
    address.password = plant("databasepassword");
    const error = new Error(`no connection to ${address}`);
    log.warn({ err: error }, "database away");
    report(error);
  },
  (plant, { report }) => report(new Error(`401 for Authorization: Bearer ${plant("bearer")}`)),
  (plant, { log }) => log.warn(`no answer from http://${plant("dsnkey")}@127.0.0.1:9/1`),
];
/** In the app 18, in the page two more. */
const planted = 20;

export default defineScenario({
  id: "pipe.redaction",
  title: "Secrets on their way into telemetry",
  summary:
    "Twenty made-up secrets slip into headers, addresses, bodies, SQL, errors and logs; none may be left in any signal.",
  story: `Telemetry is copied to more places and read by more people than any database. Secrets get into it by accident: somebody logs the headers of a request, a driver puts the value into its error's text, a signed link is a span's \`url.full\`, an e-mail address is a literal in a statement.

This run plants twenty canaries, values that look like secrets and are none, through headers, query, body, SQL, error text, logs, spans, Sentry and the page. Afterwards everything that the run left is searched: not one may be found, and a placeholder has to stand where one was, so that the record still tells what happened.

A search that finds nothing proves little by itself, so the control run lets its own canaries pass: redaction skips texts that hold one, and all twenty have to be found. Only this run's canaries are meant; real secrets of the process are taken out even then.`,
  params: {},
  modes: ["fault", "control"],
  stage: true,
  requires: ["chromium"],
  async serve(context) {
    const places: string[] = [];
    const plant: Plant = (place) => {
      places.push(place);
      return canaryOf(place, context.runId);
    };
    for (const leak of leaks) await leak(plant, context);
    return { planted: places };
  },
  expect: [
    {
      signal: "secrets",
      planted: "canary-",
      count: 0,
      why: "What was planted is nowhere: not in spans, logs, metrics or Sentry items.",
      hint: "The field that is named shows which way out is not covered; see server/telemetry/redact.ts.",
    },
    {
      signal: "secrets",
      planted: "canary-",
      count: planted,
      modes: ["control"],
      why: "With redaction off for this run's canaries all of them are found: the search does search.",
      hint: "A canary that is not found never reached telemetry, so its absence proves nothing.",
    },
    {
      signal: "page",
      observation: "planted",
      value: planted,
      modes: ["fault", "control"],
      why: "App and page planted all of them.",
      hint: "Fewer mean that the run ended early: look at its answer.",
    },
    {
      signal: "span",
      select: {
        name: "download plan",
        attributes: { "url.full": { matches: "X-Amz-Signature=REDACTED" } },
      },
      count: 1,
      why: "The link is still told, only its signature is not.",
      hint: "The placeholder is the word of the semantic conventions for url.full.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/products",
        kind: "server",
        attributes: { "url.query": { matches: "token=REDACTED" } },
      },
      count: 2,
      why: "Both requests, the app's own and the page's, tell that there was a token.",
      hint: "url.query comes without its question mark: the patterns have to allow for it.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT customers",
        attributes: { "db.query.text": "select id from customers where email = ?" },
      },
      count: 1,
      why: "Literals in a statement are values: a question mark stands for each.",
      hint: "See server/database/statement.ts.",
    },
    {
      signal: "span",
      select: {
        attributes: { "db.response.status_code": "22P02" },
        exception: { message: { matches: 'type integer: "[?]"' } },
      },
      count: 1,
      why: "PostgreSQL repeats the value in its message; the message stays, the value goes.",
      hint: "See server/database/scrub.ts.",
    },
    {
      signal: "check",
      title: "log lines keep their fields, with placeholders for values",
      reads: ["logs"],
      check: ({ logs }) => {
        const lines = logs.filter(({ body }) =>
          ["request received", "sign-in attempted"].includes(body),
        );
        const text = JSON.stringify(lines.map(({ attributes }) => attributes));
        const places = text.match(/REDACTED/g)?.length ?? 0;
        return {
          ok: lines.length === 2 && places === 7 && text.includes("ada"),
          seen: `${lines.length} lines with ${places} placeholders`,
        };
      },
      why: "Whoever reads the line still sees that there was a header or a password, and the rest of it.",
      hint: "Fields are emptied by their names, texts by their form.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      exception: { message: { matches: "REDACTED|[?]" } },
      count: 3,
      sameTrace: true,
      why: "The app's three reports arrive, with placeholders.",
      hint: "beforeSend redacts the whole event.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-web",
      exception: { message: { matches: "Signature=REDACTED" } },
      count: 1,
      sameTrace: true,
      why: "The page's report arrives, and its link has no signature any more.",
      hint: "See web/src/telemetry/redact.ts: texts of errors hold addresses.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 4,
      modes: ["fault", "control"],
      why: "Redaction changes what is told, never whether.",
      hint: "A missing event means that redaction threw, or dropped it.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "Leaks are silent: nothing fails.",
      hint: "Open the trace: a leak was not carried out.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way.",
    },
  ],
});
