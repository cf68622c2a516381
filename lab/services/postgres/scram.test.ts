import { expect, test } from "vitest";
import { scramVerifier } from "./scram.ts";

test("a verifier is what PostgreSQL itself stores for that password and salt", () => {
  // Made by PostgreSQL 15: `create role r password 'pencil'`, then `select rolpassword from pg_authid`.
  expect(scramVerifier("pencil", Buffer.from("WZ6j2W6TS5WJV2oF+QLWlw==", "base64"))).toBe(
    "SCRAM-SHA-256$4096:WZ6j2W6TS5WJV2oF+QLWlw==$oDmYNGvG8t4t6J0TW/16I8vVgfyY/mkIw/fPJpj2Exg=:DkDq0+2lpMqDyGLiwJqO3++pX9Je3Ln6GMMXeGPDgOM=",
  );
});

test("every verifier has a salt of its own", () => {
  expect(scramVerifier("a")).not.toBe(scramVerifier("a"));
});
