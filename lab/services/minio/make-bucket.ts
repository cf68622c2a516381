import { createHash, createHmac } from "node:crypto";
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "#lab/errors.ts";

const againMs = 50;

export interface BucketOwner {
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly signal: AbortSignal;
}

/**
 * Makes a bucket unless it is there, by one request signed with Signature Version 4
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html): the SDK would take
 * longer to load than the storage to start.
 * @throws LabError `bucket-refused`.
 */
export async function makeBucket(name: string, owner: BucketOwner): Promise<void> {
  const { status, body } = await sendUntilInitialised(name, owner);
  // 409: there already, or made by somebody meanwhile.
  if (status === 200 || (status === 409 && body.includes("BucketAlreadyOwnedByYou"))) return;
  const code = /<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? `status ${status}`;
  throw new LabError("bucket-refused", `The object storage did not make bucket ${name}: ${code}.`, {
    hint: "Its log says more: npm run lab -- logs minio. If its data is from other keys: npm run lab -- reset.",
  });
}

/** MinIO says that it lives before its drives do: then it answers 503 to everything. */
async function sendUntilInitialised(name: string, owner: BucketOwner): Promise<Answer> {
  for (;;) {
    const answer = await send(name, owner);
    if (answer.status !== 503 || !answer.body.includes("NotInitialized")) return answer;
    await pause(againMs, undefined, { signal: owner.signal });
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest();

function send(
  name: string,
  { port, accessKey, secretKey, region, signal }: BucketOwner,
): Promise<Answer> {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const signed = {
    host: `127.0.0.1:${port}`,
    "x-amz-content-sha256": hash(""),
    "x-amz-date": date,
  };
  const names = Object.keys(signed).join(";");
  const lines = Object.entries(signed).map(([header, value]) => `${header}:${value}\n`);
  const canonical = `PUT\n/${name}\n\n${lines.join("")}\n${names}\n${hash("")}`;
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${secretKey}`);
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash(canonical)}`);
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature.toString("hex")}`;
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...{ host: "127.0.0.1", port, path: `/${name}`, method: "PUT", signal, agent: false },
        headers: { ...signed, authorization, "content-length": 0 },
      },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (piece: string) => {
          body += piece;
        });
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.on("error", reject);
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}
