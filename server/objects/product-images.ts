import { setTimeout as pause } from "node:timers/promises";
import { context } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import type { ObjectStore } from "#scenarios/edges/objects.ts";
import { log } from "../log.ts";

/** Products share so many pictures. */
export const imageCount = 12;
/** First and longest pause between two tries to reach the storage. */
const [firstPauseMs, longestPauseMs] = [250, 5000];

/** Newer products have a picture of their own, once somebody has taken it. */
const lastWithPicture = 190;

export const imageKey = (productId: number): string =>
  `products/${productId > lastWithPicture ? productId : 1 + ((productId - 1) % imageCount)}.svg`;

/** Marks a product's picture as one of a set: colour and shape follow from its number. */
export function imageOf(number: number): string {
  const hue = Math.round((360 / imageCount) * (number - 1));
  const shapes = [
    '<circle cx="60" cy="60" r="34"/>',
    '<rect x="28" y="28" width="64" height="64" rx="10"/>',
    '<path d="M60 22 98 92H22z"/>',
    '<path d="M60 20 95 40v40L60 100 25 80V40z"/>',
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120" width="120" height="120" role="img" aria-label="Product picture ${number}"><rect width="120" height="120" fill="hsl(${hue} 55% 92%)"/><g fill="hsl(${hue} 60% 45%)">${shapes[number % shapes.length]}</g></svg>\n`;
}

/**
 * Puts the pictures where they are missing, in the background, again and again until the storage is
 * there. Leaves no spans: it is nobody's request. Holds no process open.
 */
export async function seedImages(objects: ObjectStore): Promise<void> {
  const numbers = Array.from({ length: imageCount }, (_, index) => index + 1);
  await context.with(suppressTracing(context.active()), async () => {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        await Promise.all(numbers.map((number) => seedImage(objects, number)));
        log.info({ images: imageCount }, "product images are in place");
        return;
      } catch {
        await pause(pauseMs, undefined, { ref: false });
      }
    }
  });
}

async function seedImage(objects: ObjectStore, number: number): Promise<void> {
  const key = imageKey(number);
  const image = imageOf(number);
  const there = await objects.head(key).catch(missing);
  if (there?.bytes !== Buffer.byteLength(image)) await objects.put(key, image, "image/svg+xml");
}

function missing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}

/** GET says `NoSuchKey`; HEAD, whose answer has no body, says `NotFound`. */
export const isMissing = (error: unknown): boolean =>
  error instanceof Error && (error.name === "NoSuchKey" || error.name === "NotFound");
