import type { TraceFocus } from "./location.ts";
import { router } from "./router.svelte.ts";
import { Waterfall } from "./waterfall.svelte.ts";

/** A waterfall that begins with what the address has of it, and that the address follows. */
export function linkedWaterfall({ span, window }: TraceFocus): Waterfall {
  const waterfall = new Waterfall({
    onSelect: (next) => router.focus({ span: next }),
    onWindow: (next) => router.focus({ window: next }),
  });
  waterfall.openId = span;
  waterfall.cursorId = span;
  waterfall.zoomed = window;
  return waterfall;
}
