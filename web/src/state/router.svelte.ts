import { hrefOf, noFocus, type Place, placeOf, type TraceFocus } from "./location.ts";

/** The page's place, kept in step with the address bar. */
export class Router {
  place = $state.raw<Place>(placeOf(new URL(location.href)));

  /** Starts listening to Back and Forward and to clicks on the page's own links. */
  listen(): void {
    addEventListener("popstate", () => {
      this.place = placeOf(new URL(location.href));
    });
    addEventListener("click", (event) => this.#follow(event));
  }

  /** Goes to a place, as a new step of the history. */
  go(place: Place): void {
    history.pushState(null, "", hrefOf(place));
    this.place = place;
    scrollTo(0, 0);
  }

  /** Changes what of the present trace is looked at, without a new step of the history. */
  focus(change: Partial<TraceFocus>): void {
    const place = this.place;
    if (place.view !== "run" && place.view !== "traces") return;
    const next: Place = { ...place, ...change };
    if (hrefOf(next) === hrefOf(place)) return;
    history.replaceState(null, "", hrefOf(next));
    this.place = next;
  }

  /** Shows the same view otherwise, without a new step of the history. */
  amend(place: Place): void {
    history.replaceState(null, "", hrefOf(place));
    this.place = place;
  }

  /** What of the present trace is looked at; nothing in particular on other views. */
  get traceFocus(): TraceFocus {
    const place = this.place;
    return place.view === "run" || place.view === "traces" ? place : noFocus;
  }

  #follow(event: MouseEvent): void {
    const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (event.defaultPrevented || event.button !== 0 || modified) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.origin !== location.origin) return;
    if (link.hasAttribute("download")) return;
    const place = placeOf(new URL(link.href));
    if (place.view === "unknown") return;
    event.preventDefault();
    this.go(place);
  }
}

/** The one router of the page. */
export const router = new Router();
