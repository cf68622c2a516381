import { randomBytes } from "node:crypto";

const digits = "0123456789abcdefghijklmnopqrstuvwxyz";
/** Largest multiple of 36 in a byte: beyond it a remainder would favour the first digits. */
const unbiasedBelow = 252;

/**
 * Makes run ids: 26 characters [0-9a-z] that sort in order of minting, also within a millisecond
 * and when the clock is set back. 9 characters of milliseconds, 3 of counter, 14 random (72 bits).
 */
export function runIdMint(now: () => number = Date.now): () => string {
  let last = 0;
  let count = 0;
  return () => {
    const time = now();
    if (time > last) {
      last = time;
      count = 0;
    } else {
      count += 1;
      // 46,656 in one millisecond: borrow the next one.
      if (count === 36 ** 3) {
        last += 1;
        count = 0;
      }
    }
    return last.toString(36).padStart(9, "0") + count.toString(36).padStart(3, "0") + random(14);
  };
}

function random(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < unbiasedBelow && text.length < length) text += digits[byte % 36];
    }
  }
  return text;
}
