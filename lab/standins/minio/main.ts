/**
 * Object storage with S3's API, for machines without MinIO: `LAB_S3_PORT` and `LAB_S3_DIR` (an
 * existing folder) say where, `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` who may sign,
 * `LAB_ORIGIN` whose pages may read. SIGTERM and SIGINT end it with code 0.
 */
import { openS3Server } from "./s3-server.ts";

/** One JSON line per event; it never holds anything a client sent. */
function log(level: "info" | "warn" | "error", msg: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ level, time: Date.now(), msg, ...fields })}\n`);
}

const { LAB_S3_PORT, LAB_S3_DIR, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, LAB_ORIGIN } =
  process.env;
const port = Number(LAB_S3_PORT);
if (
  !Number.isInteger(port) ||
  port < 0 ||
  port > 65_535 ||
  !LAB_S3_DIR ||
  !AWS_ACCESS_KEY_ID ||
  !AWS_SECRET_ACCESS_KEY ||
  !LAB_ORIGIN
) {
  log(
    "error",
    "LAB_S3_PORT, LAB_S3_DIR, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and LAB_ORIGIN must be set",
  );
  process.exit(78);
}

try {
  const server = await openS3Server({
    port,
    dir: LAB_S3_DIR,
    account: {
      accessKey: AWS_ACCESS_KEY_ID,
      secretKey: AWS_SECRET_ACCESS_KEY,
      region: "us-east-1",
    },
    allowedOrigin: LAB_ORIGIN,
    onDamage: (path) => log("warn", "a damaged record was put aside", { path }),
    onError: (error) => log("error", "request failed", { error: errorText(error) }),
  });
  log("info", "listening", { port: server.port });
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await server.close();
    process.exit(0);
  };
  process.on("SIGTERM", () => void stop());
  process.on("SIGINT", () => void stop());
} catch (error) {
  log("error", "cannot start", { error: errorText(error) });
  process.exit(1);
}

/** Our own errors' stack, which names files and never data. */
function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
