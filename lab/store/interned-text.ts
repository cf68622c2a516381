import { hashBytes, standsAt, viewOf } from "./byte-words.ts";

/**
 * Text that repeats (span names, services) kept once and spoken of by number. Looked up by its
 * UTF-8 bytes, so that a known text costs no string. Number 0 means "not kept": the table is full,
 * and whoever wants the text reads it from the stored bytes.
 */
export interface InternedText {
  readonly intern: (view: DataView, start: number, length: number) => number;
  /** Text of a number; undefined for 0. */
  readonly text: (id: number) => string | undefined;
  /** Number of a text that is kept. */
  readonly find: (text: string) => number | undefined;
  /** Every text in order of number; `load` takes them into an empty table. */
  readonly save: () => unknown;
  readonly load: (json: unknown) => void;
}

export function internedText(capacity: number): InternedText {
  const kept: DataView[] = [viewOf(new Uint8Array(0))];
  /** Their lengths: asking a DataView for its own takes longer than comparing its bytes. */
  const lengths: number[] = [0];
  const texts: string[] = [""];
  const byText = new Map<string, number>();
  let slots = new Int32Array(1024);

  const grow = (): void => {
    slots = new Int32Array(slots.length * 2);
    for (let id = 1; id < kept.length; id++) {
      const known = kept[id] as DataView;
      let slot = hashBytes(known, 0, known.byteLength) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = id;
    }
  };

  const intern = (view: DataView, start: number, length: number): number => {
    let slot = hashBytes(view, start, start + length) & (slots.length - 1);
    for (let id = slots[slot] as number; id !== 0; id = slots[slot] as number) {
      if (lengths[id] === length && standsAt(kept[id] as DataView, length, view, start)) return id;
      slot = (slot + 1) & (slots.length - 1);
    }
    if (kept.length > capacity) return 0;
    const id = kept.length;
    // A copy: the original is a view of a whole request body.
    const copy = Buffer.from(new Uint8Array(view.buffer, view.byteOffset + start, length));
    const text = copy.toString("utf8");
    kept.push(viewOf(copy));
    lengths.push(length);
    texts.push(text);
    byText.set(text, id);
    slots[slot] = id;
    if (kept.length * 2 > slots.length) grow();
    return id;
  };

  return {
    intern,
    text: (id) => (id === 0 ? undefined : texts[id]),
    find: (text) => byText.get(text),
    save: () => texts.slice(1),
    load: (json) => {
      for (const text of json as string[]) {
        const bytes = viewOf(Buffer.from(text));
        intern(bytes, 0, bytes.byteLength);
      }
    },
  };
}
