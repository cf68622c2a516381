import { anyHash } from "./attribute-hash.ts";
import { rowMask, rowsPerChunk } from "./chunked-table.ts";
import type { SpanTable } from "./span-table.ts";

/**
 * Tells of a row whether its span holds one of two attribute hashes, or one that stands for every
 * attribute. A whole chunk of spans is looked through when the first of its rows is asked for: one
 * tight loop over all its hashes costs about half of asking span by span. Good for one search over
 * neighbouring rows, while nothing is added.
 */
export function hashHits(spans: SpanTable, one: number, other: number): (row: number) => boolean {
  const isHit = new Uint8Array(rowsPerChunk);
  let known = -1;

  function lookThrough(chunk: number): void {
    known = chunk;
    isHit.fill(0);
    const firstRow = Math.max(spans.first(), chunk * rowsPerChunk);
    const lastRow = Math.min(spans.last(), chunk * rowsPerChunk + rowMask);
    const { lastHash } = spans.columnsOf(firstRow);
    let row = firstRow;
    let at = spans.firstHash(firstRow);
    const end = lastHash[lastRow & rowMask] as number;
    while (at <= end) {
      const { hash } = spans.hashes.columnsOf(at);
      const beyond = Math.min(end + 1, (at | rowMask) + 1);
      const hit = find(hash, at & rowMask, ((beyond - 1) & rowMask) + 1);
      if (hit < 0) {
        at = beyond;
        continue;
      }
      at += hit - (at & rowMask);
      // Hashes are in order of their spans.
      while ((lastHash[row & rowMask] as number) < at) row++;
      isHit[row & rowMask] = 1;
      at = (lastHash[row & rowMask] as number) + 1;
    }
  }

  function find(hashes: Uint32Array, from: number, to: number): number {
    for (let at = from; at < to; at++) {
      const hash = hashes[at];
      if (hash === one || hash === other || hash === anyHash) return at;
    }
    return -1;
  }

  return (row) => {
    const chunk = Math.floor(row / rowsPerChunk);
    if (chunk !== known) lookThrough(chunk);
    return isHit[row & rowMask] === 1;
  };
}
