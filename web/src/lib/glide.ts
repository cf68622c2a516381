import { tick } from "svelte";

/** `--quick` in the tokens. */
const durationMs = 120;

/**
 * Makes a change that moves an element, and lets the element glide to its new place: nobody loses
 * sight of it. Who wants no motion gets no change.
 */
export async function glide(element: HTMLElement, change: () => void): Promise<void> {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const before = element.getBoundingClientRect().top;
  change();
  await tick();
  const by = before - element.getBoundingClientRect().top;
  element.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], {
    duration: durationMs,
    easing: "ease-out",
  });
}
