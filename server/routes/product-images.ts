import { Readable } from "node:stream";
import type Router from "@koa/router";
import type { Sql } from "postgres";
import type { ObjectStore } from "#scenarios/edges/objects.ts";
import { AppError } from "../errors.ts";
import { log } from "../log.ts";
import { isMissing } from "../objects/product-images.ts";

/** A link lives long enough for a page to be read. */
const linkSeconds = 300;

/** Where a product's picture is read. */
export const imagePath = (productId: number): string => `/api/products/${productId}/image`;

/** Pictures of products: through the app, or as a link that reads from the storage directly. */
export function productImageRoutes(router: Router, sql: Sql, objects: ObjectStore): void {
  const keyOf = async (given: string | undefined): Promise<string> => {
    const id = given !== undefined && /^\d{1,9}$/.test(given) ? Number(given) : 0;
    const [product] = id < 1 ? [] : await sql`select id from products where id = ${id}`;
    if (product === undefined) {
      throw new AppError(404, "product_not_found", "There is no such product.", {
        hint: "GET /api/products lists some.",
      });
    }
    return objects.imageKey(id);
  };
  router.get("/api/products/:id/image", async function productImage(ctx) {
    const key = await keyOf(ctx.params.id);
    const image = await objects.get(key).catch((error) => asAnswer(error, key));
    ctx.type = image.type;
    ctx.length = image.bytes;
    ctx.etag = image.etag;
    ctx.body = image.body instanceof Readable ? image.body : Readable.from(image.body);
  });
  router.get("/api/products/:id/image-link", async function productImageLink(ctx) {
    const key = await keyOf(ctx.params.id);
    ctx.body = {
      url: await objects.downloadLink(key, linkSeconds),
      expiresAt: new Date(Date.now() + linkSeconds * 1000).toISOString(),
    };
  });
}

function asAnswer(error: unknown, key: string): never {
  if (error instanceof AppError) throw error;
  if (isMissing(error)) {
    log.info({ "aws.s3.key": key }, "product picture is missing");
    throw new AppError(404, "image_not_found", "This product has no picture.", {
      cause: error,
      hint: "The newest products get theirs later; the others when the app has reached its storage.",
    });
  }
  throw new AppError(503, "images_unavailable", "The pictures cannot be read now.", {
    cause: error,
    hint: "The object storage does not answer. Everything else goes on.",
  });
}
