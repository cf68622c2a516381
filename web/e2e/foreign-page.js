/**
 * Script of a page that is not the lab's: everything such a page can try without the other side's
 * leave. Answers with what it was able to see; `[]` is what it should be.
 */
async function attack(origin, traceId) {
  const seen = [];
  const run = JSON.stringify({ scenario: "run.handled-error" });
  const times = { startTimeUnixNano: "1", endTimeUnixNano: "2" };
  const spans = [{ traceId, spanId: traceId.slice(16), name: "planted", ...times }];
  const otlp = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
  const restart = `${origin}/lab/api/services/server/restart`;
  const json = { "content-type": "application/json", "x-lab-csrf": "1" };

  const attempt = async (name, url, request) => {
    try {
      const response = await fetch(url, request);
      if (response.type !== "opaque") seen.push(`${name} read ${response.status} of ${url}`);
    } catch {
      // Refused by the browser: as it should be.
    }
  };
  for (const [url, body] of [
    [`${origin}/lab/api/runs`, run],
    [restart, "{}"],
    [`${origin}/api/scenarios/run.handled-error`, "{}"],
    [`${origin}/lab/ingest/v1/traces`, otlp],
  ]) {
    const request = { method: "POST", body };
    await attempt("no-cors", url, { ...request, mode: "no-cors" });
    await attempt("cors", url, { ...request, headers: json });
    await attempt("plain", url, request);
    navigator.sendBeacon(url, body);
    navigator.sendBeacon(url, new Blob([body], { type: "application/json" }));
  }
  await attempt("status", `${origin}/lab/api/status`);
  await attempt("page", `${origin}/`);
  await attempt("get", restart, { mode: "no-cors" });
  await submitForm(`${origin}/lab/api/runs`, run);

  const outcome = (name, source, good, bad) => {
    const { promise, resolve } = Promise.withResolvers();
    source[good] = () => {
      seen.push(name);
      resolve();
    };
    source[bad] = () => resolve();
    return promise;
  };
  const image = new Image();
  const script = document.createElement("script");
  const events = new EventSource(`${origin}/lab/api/events`);
  const socket = new WebSocket(`${origin.replace("http", "ws")}/lab/api/events`);
  const outcomes = [
    outcome("image", image, "onload", "onerror"),
    outcome("script", script, "onload", "onerror"),
    outcome("events", events, "onopen", "onerror"),
    outcome("socket", socket, "onopen", "onerror"),
  ];
  image.src = restart;
  script.src = `${origin}/lab/api/status`;
  document.body.append(script);
  await Promise.all(outcomes);
  events.close();
  return seen;
}

/** The classic: a `text/plain` form whose body is JSON, sent into a frame. */
async function submitForm(action, json) {
  const frame = document.createElement("iframe");
  frame.name = "target";
  const form = document.createElement("form");
  Object.assign(form, { method: "POST", action, target: "target", enctype: "text/plain" });
  const field = document.createElement("input");
  Object.assign(field, { name: `${json.slice(0, -1)},"x":"`, value: '"}' });
  form.append(field);
  document.body.append(frame, form);
  const { promise, resolve } = Promise.withResolvers();
  frame.onload = () => resolve();
  form.submit();
  await promise;
}

globalThis.attack = attack;
