import type { Attachment } from "svelte/attachments";
import { on } from "svelte/events";

/**
 * Tells when somebody begins and ends to attend to an element: points into it, or has the focus in
 * it. A pointer that rests where the element happened to come is no sign of that.
 */
export const attended =
  (tell: (now: boolean) => void): Attachment<HTMLElement> =>
  (element) => {
    const begin = () => tell(true);
    const end = () => tell(false);
    const ends = [
      on(element, "pointermove", ({ movementX, movementY }) => {
        if (movementX !== 0 || movementY !== 0) begin();
      }),
      on(element, "pointerdown", begin),
      on(element, "wheel", begin, { passive: true }),
      on(element, "focusin", begin),
      on(element, "pointerleave", end),
      on(element, "focusout", end),
    ];
    return () => {
      for (const stop of ends) stop();
    };
  };
