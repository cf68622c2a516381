import type { S3Client } from "@aws-sdk/client-s3";

/** The app's product images in S3. Calls become spans with bucket and key. */
export interface ObjectStore {
  readonly client: S3Client;
  readonly bucket: string;
  /** A link that lets whoever holds it read one object for so many seconds. */
  readonly downloadLink: (key: string, seconds: number) => Promise<string>;
}
