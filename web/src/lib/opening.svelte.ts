import type { Attachment } from "svelte/attachments";

/**
 * Opens or closes a `<details>` when `wanted` becomes another. In between it is the visitor's: an
 * `open` attribute would be set anew, and undo what was opened, with every change beside it.
 */
export const opening =
  (wanted: () => boolean): Attachment<HTMLDetailsElement> =>
  (details) => {
    const now = $derived(wanted());
    $effect(() => {
      details.open = now;
    });
  };
