/**
 * Hashes 64 and 128 bits of an id to 32. The seed differs between processes, so that nobody can
 * send ids that all fall into one place of a table.
 */
export const newSeed = (): number => Math.floor(Math.random() * 0x1_0000_0000);

const mix = (hash: number, word: number): number => {
  const mixed = Math.imul(hash ^ word, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
};
const finish = (hash: number): number => hash ^ (hash >>> 16);

export const hash64 = (seed: number, a: number, b: number): number => finish(mix(mix(seed, a), b));
export const hash128 = (seed: number, a: number, b: number, c: number, d: number): number =>
  finish(mix(mix(mix(mix(seed, a), b), c), d));
