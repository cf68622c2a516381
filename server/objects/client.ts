import type {
  GetObjectCommandInput,
  S3Client,
  ServiceInputTypes,
  ServiceOutputTypes,
} from "@aws-sdk/client-s3";
import { context } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";

type Sdk = typeof import("@aws-sdk/client-s3");

/** Where the storage is, and who asks. */
export interface S3Address {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A command of the SDK, as far as sending needs to know it. */
type Command<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = Parameters<
  typeof S3Client.prototype.send<Input, Output>
>[0];

/** The SDK behind a door that is opened at the first call: loading it takes a tenth of a second. */
export interface S3Edge {
  readonly sdk: () => Promise<Sdk>;
  readonly send: <Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: Command<Input, Output>,
  ) => Promise<Output>;
  /** Signs without asking anybody, and without a span: no call is made. */
  readonly presign: (input: GetObjectCommandInput, seconds: number) => Promise<string>;
  /**
   * Begins with a new client. The SDK gives a client a budget for its retries, which refusals use up
   * for every later call.
   */
  readonly renew: () => void;
  readonly close: () => Promise<void>;
}

/** Milliseconds until a storage that has not answered at all is given up, all attempts together. */
const silenceMs = 900;
const connectMs = 400;
/** To the headers of one answer. */
const answerMs = 3000;
/** Between two pieces of a body. */
const stalledMs = 5000;

/** As the AWS SDK would find it in the environment; never in a file of the user's home. */
export const s3AddressOf = (endpoint: string): S3Address => ({
  endpoint,
  region: process.env.AWS_REGION ?? "us-east-1",
  accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "",
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "",
});

/** @param clockOffMs how far the clock that requests are signed with is ahead; behind when negative. */
export function openS3(address: S3Address, clockOffMs = 0): S3Edge {
  let opened: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined;
  const open = () => {
    opened ??= load();
    return opened;
  };
  async function load() {
    const sdk = await import("@aws-sdk/client-s3");
    const { endpoint, region, accessKeyId, secretAccessKey } = address;
    const client = new sdk.S3Client({
      ...{ endpoint, region, credentials: { accessKeyId, secretAccessKey } },
      systemClockOffset: clockOffMs,
      // Host names of the form bucket.host do not resolve here.
      forcePathStyle: true,
      // The SDK's defaults, written down: files in the user's home could change them.
      ...{ maxAttempts: 3, retryMode: "standard", followRegionRedirects: false },
      requestHandler: {
        ...{ connectionTimeout: connectMs, requestTimeout: answerMs, socketTimeout: stalledMs },
        throwOnRequestTimeout: true,
      },
    });
    return { sdk, client };
  }
  return {
    sdk: async () => (await open()).sdk,
    async send(command) {
      const { client } = await open();
      const silence = giveUpOnSilence(command);
      try {
        return await client.send(command, { abortSignal: silence.signal });
      } catch (error) {
        throw silence.signal.aborted ? silence.signal.reason : error;
      } finally {
        silence.heard();
      }
    },
    async presign(input, seconds) {
      const [{ sdk, client }, { getSignedUrl }] = await Promise.all([
        open(),
        import("@aws-sdk/s3-request-presigner"),
      ]);
      return context.with(suppressTracing(context.active()), () =>
        getSignedUrl(client, new sdk.GetObjectCommand(input), {
          expiresIn: seconds,
          // The presigner knows nothing of what the client has learnt about its clock.
          ...(clockOffMs === 0 ? {} : { signingDate: new Date(Date.now() + clockOffMs) }),
        }),
      );
    },
    renew() {
      // Not destroyed: others may still read from its connections, which end once they are idle.
      opened = undefined;
    },
    async close() {
      (await opened)?.client.destroy();
    },
  };
}

/**
 * Aborts a call when none of its attempts has had an answer in time. Any answer ends the wait, a
 * refusal too: the SDK's pauses between attempts belong to a storage that is alive.
 */
function giveUpOnSilence<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: Command<Input, Output>,
): { readonly signal: AbortSignal; readonly heard: () => void } {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new StorageSilent()), silenceMs);
  const heard = (): void => clearTimeout(timer);
  command.middlewareStack.add(
    (next) => async (args) => {
      try {
        const result = await next(args);
        heard();
        return result;
      } catch (error) {
        if (error !== null && typeof error === "object" && "$response" in error && error.$response)
          heard();
        throw error;
      }
    },
    { step: "deserialize", name: "answerHeard", override: true },
  );
  return { signal: silence.signal, heard };
}

/** No attempt of a call had any answer in time. */
export class StorageSilent extends Error {
  override readonly name = "StorageSilent";
  constructor() {
    super(`The object storage did not answer within ${silenceMs} ms.`);
  }
}
