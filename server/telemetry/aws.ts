import { AwsInstrumentation } from "@opentelemetry/instrumentation-aws-sdk";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";

/** Of the AWS conventions, in development (https://opentelemetry.io/docs/specs/semconv/object-stores/s3/). */
const [s3Key, requestId] = ["aws.s3.key", "aws.request_id"] as const;

/**
 * Spans of the AWS SDK, one for each call whatever it takes: `S3.GetObject`. Each attempt is an HTTP
 * span below it. The instrumentation knows the bucket; key, error type and the conventions' name of
 * the request id are added here.
 */
export const awsInstrumentation = (): AwsInstrumentation =>
  new AwsInstrumentation({
    preRequestHook(span, { request }) {
      const { Key } = request.commandInput;
      if (typeof Key === "string") span.setAttribute(s3Key, Key);
    },
    responseHook(span, { response }) {
      if (response.requestId) span.setAttribute(requestId, response.requestId);
    },
    exceptionHook(span, _request, error) {
      const { name, $metadata } = error as {
        readonly name?: string;
        readonly $metadata?: { readonly requestId?: string };
      };
      if (name) span.setAttribute(ATTR_ERROR_TYPE, name);
      if ($metadata?.requestId) span.setAttribute(requestId, $metadata.requestId);
    },
  });
