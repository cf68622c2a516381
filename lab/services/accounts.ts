/** Names that go with the secrets: who signs in where. */

/** Access key of the object storage. */
export const s3AccessKey = "lab";
/** Bucket of the product images; made by whoever starts the object storage. */
export const productBucket = "lab-products";
/** The app as a client of the identity provider. */
export const oidcClientId = "lab-server";
/** The user who is there from the start. */
export const userName = "ada";
/** Her subject at the identity provider: opaque, and the same in every lab. */
export const userSub = "5f1a0c3e-7d24-4b96-a1e8-90c2d6b7e345";

/** The identity provider's issuer: on the host name of the lab's origin, so that a browser counts both as one site. */
export const issuerOf = (origin: string, port: number): string =>
  `http://${new URL(origin).hostname}:${port}/realms/lab`;
