import { expect, test } from "vitest";
import { digester } from "./checksum.ts";

/** Check values of "123456789" from the catalogue of parametrised CRC algorithms (https://reveng.sourceforge.io/crc-catalogue/). */
test.each([
  ["crc32", "cbf43926"],
  ["crc32c", "e3069283"],
  ["crc64nvme", "ae8b14860a799888"],
] as const)("%s of the check text, fed in pieces", (algorithm, expected) => {
  const sum = digester(algorithm);
  for (const piece of ["1234", "", "56789"]) sum.update(Buffer.from(piece));
  expect(Buffer.from(sum.digest(), "base64").toString("hex")).toBe(expected);
});
