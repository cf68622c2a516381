import { ROOT_CONTEXT, type Span, type Tracer } from "@opentelemetry/api";
import { ATTR_URL_PATH } from "@opentelemetry/semantic-conventions";

const milestones = [
  "requestStart",
  "responseStart",
  "responseEnd",
  "domInteractive",
  "domContentLoadedEventEnd",
  "domComplete",
  "loadEventStart",
] as const;

/**
 * Opens the span of this page load, begun when the navigation began. It ends with the load event
 * and carries the navigation's milestones as events.
 */
export function startPageLoad(tracer: Tracer): Span {
  const span = tracer.startSpan(
    "page load",
    { startTime: performance.timeOrigin, attributes: { [ATTR_URL_PATH]: location.pathname } },
    ROOT_CONTEXT,
  );
  const end = () => {
    const [navigation] = performance.getEntriesByType("navigation");
    if (navigation !== undefined) addMilestones(span, navigation);
    span.end();
  };
  // The load event's own end is known only after its listeners have returned.
  if (document.readyState === "complete") setTimeout(end, 0);
  else addEventListener("load", () => setTimeout(end, 0), { once: true });
  return span;
}

function addMilestones(span: Span, navigation: PerformanceNavigationTiming): void {
  for (const name of milestones) {
    const at = navigation[name];
    if (at > 0) span.addEvent(name, performance.timeOrigin + at);
  }
  span.setAttribute("lab.navigation.type", navigation.type);
  span.setAttribute("http.response.body.size", navigation.encodedBodySize);
}
