import { generateKeyPair, randomUUID } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as v from "valibot";
import { setAside, writeFileAtomic } from "#lab/state/atomic-file.ts";

const text = v.pipe(v.string(), v.minLength(1));
const jwkSchema = v.object({
  kty: v.literal("RSA"),
  use: v.literal("sig"),
  alg: v.literal("RS256"),
  kid: text,
  n: v.pipe(v.string(), v.minLength(342)),
  ...{ e: text, d: text, p: text, q: text, dp: text, dq: text, qi: text },
});
/** A private RSA key as JSON Web Key (https://www.rfc-editor.org/rfc/rfc7517). */
export type SigningKey = v.InferOutput<typeof jwkSchema>;

/**
 * The key that signs tokens, made at the first call: making one takes up to a second, and tokens
 * must stay valid over a restart. A file that cannot be used is set aside.
 * @throws LabError `disk-full` or `state-unwritable`.
 */
export async function signingKey(dir: string): Promise<SigningKey> {
  const path = join(dir, "signing-key.json");
  const found = await read(path);
  if (found !== undefined) return found;
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const made = v.parse(jwkSchema, {
    ...privateKey.export({ format: "jwk" }),
    use: "sig",
    alg: "RS256",
    kid: randomUUID(),
  });
  await writeFileAtomic(path, `${JSON.stringify(made)}\n`, 0o600);
  return made;
}

async function read(path: string): Promise<SigningKey | undefined> {
  try {
    const key = v.parse(jwkSchema, JSON.parse(await readFile(path, "utf8")));
    await chmod(path, 0o600);
    return key;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    await setAside(path);
    return undefined;
  }
}
