import { expect, test } from "vitest";
import { decodeColumns } from "./columns.ts";

/** The layout of `lab/store/trace-columns.ts`, written by hand. */
function columns(): ArrayBuffer {
  const header = {
    startTimeUnixNano: "1795357941000000000",
    tickNs: 1000,
    names: ["click", "SELECT"],
    sources: [
      { service: "lab-web", dataStore: null },
      { service: "lab-server", dataStore: "postgresql" },
    ],
  };
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const preamble = Buffer.alloc(16);
  preamble.write("LABCOL02");
  preamble.writeUInt32LE(json.length, 8);
  preamble.writeUInt32LE(3, 12);
  const parts = [
    Buffer.from("00000000000000aa00000000000000bb00000000000000cc", "hex"),
    Buffer.from(Int32Array.of(-1, 0, -2).buffer),
    Buffer.from(Uint32Array.of(0, 2000, 3000).buffer),
    Buffer.from(Uint32Array.of(5000, 1500, 0).buffer),
    Buffer.from(Uint16Array.of(0, 1, 1).buffer),
    Buffer.from([0, 1, 1]),
    Buffer.from([1, 3 + 8 * 2 + 32, 2 + 64]),
  ];
  const whole = Buffer.concat([preamble, json, ...parts]);
  return new Uint8Array(whole).buffer;
}

test("columns become spans without details, an absent parent is told from none", () => {
  const trace = decodeColumns("t", columns());
  expect(trace).toMatchObject({
    id: "t",
    startUnixNano: 1795357941000000000n,
    durationMs: 5,
    hues: ["lab-web", "postgresql"],
  });
  expect(trace.spans).toEqual([
    {
      ...{ id: "00000000000000aa", parentId: null, name: "click", service: "lab-web" },
      ...{ hue: "lab-web", kind: "internal", startMs: 0, endMs: 5, failed: false },
      ...{ hasEvents: false, farOff: false, details: null },
    },
    {
      ...{ id: "00000000000000bb", parentId: "00000000000000aa", name: "SELECT" },
      ...{ service: "lab-server", hue: "postgresql", kind: "client", startMs: 2, endMs: 3.5 },
      ...{ failed: true, hasEvents: true, farOff: false, details: null },
    },
    {
      ...{ id: "00000000000000cc", parentId: "not sent", name: "SELECT" },
      ...{ service: "lab-server", hue: "postgresql", kind: "server", startMs: 3, endMs: 3 },
      ...{ failed: false, hasEvents: false, farOff: true, details: null },
    },
  ]);
});

test("other bytes are refused", () => {
  expect(() => decodeColumns("t", new ArrayBuffer(40))).toThrow("no columns");
});
