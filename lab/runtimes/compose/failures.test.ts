import { expect, test } from "vitest";
import { composeFailure, imageMissing } from "./failures.ts";

// What engines 20.10 to 28 and Docker Hub say.
test.each([
  [
    "toomanyrequests: You have reached your unauthenticated pull rate limit.",
    /gives no more for now/,
    /docker login/,
  ],
  [
    "failed to register layer: write /usr/lib/x: no space left on device",
    /disk is full/,
    /docker image prune/,
  ],
  [
    "no matching manifest for linux/arm64/v8 in the manifest list entries",
    /not made for this machine's processor/,
    /MINIO_IMAGE=/,
  ],
  [
    'Get "https://quay.io/v2/": dial tcp: lookup quay.io on 127.0.0.53:53: no such host',
    /registry cannot be reached/,
    /docker load/,
  ],
  [
    "pull access denied for minio/minio, repository does not exist or may require 'docker login'",
    /registry does not give it/,
    /docker save/,
  ],
  ["unexpected EOF", /could not be pulled/, /docker load/],
])("why an image is not here: %s", (said, reason, advice) => {
  const failure = composeFailure("pulling the image of minio", { exitCode: 1, err: said });
  const { code, message, hint } = imageMissing("minio", "minio/minio:1", failure);
  expect(code).toBe("image-missing");
  expect(message).toMatch(reason);
  expect(hint).toMatch(advice);
});

test("what Compose says as objects is told in its own words", () => {
  const err = '{"id":"loki","text":"Pulling"}\n{"error":true,"message":"manifest unknown"}\n';
  expect(composeFailure("pulling", { err }).message).toBe(
    "Docker Compose failed pulling: manifest unknown",
  );
});
