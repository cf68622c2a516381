import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { recordKind } from "./segment-format.ts";
import { openSegmentLog, type SegmentLog } from "./segment-log.ts";
import { emptyDir } from "./testing/open.ts";

interface Opened {
  readonly log: SegmentLog;
  readonly records: readonly string[];
}
function open(dir: string, segmentBytes = 1 << 20): Opened {
  const records: string[] = [];
  const log = openSegmentLog(
    { dir, fsync: false, segmentBytes, now: () => 1_795_357_945_000 },
    (_, payload, place) => records.push(`${place.ordinal} ${payload}`),
  );
  return { log, records };
}
async function written(...payloads: string[]): Promise<{ dir: string; file: string }> {
  const dir = await emptyDir();
  const { log } = open(dir);
  for (const payload of payloads) log.append(recordKind.traces, Buffer.from(payload));
  log.close();
  return { dir, file: join(dir, "segment-00000001.log") };
}

test("what was appended comes back in order, over several segments", async () => {
  const dir = await emptyDir();
  const { log } = open(dir, 100);
  const places = ["one", "two", "three", "four"].map((text) =>
    log.append(recordKind.logs, Buffer.from(text.repeat(10))),
  );
  const target = Buffer.alloc(30);
  expect(log.read(places[1]?.segment ?? 0, places[1]?.offset ?? 0, target)).toBe(30);
  expect(target.toString()).toBe("two".repeat(10));
  expect(log.segments().length).toBeGreaterThan(1);
  log.close();
  const again = open(dir, 100);
  expect(again.records).toEqual(
    ["one", "two", "three", "four"].map((text, n) => `${n} ${text.repeat(10)}`),
  );
  expect(again.log.append(recordKind.logs, Buffer.from("five")).ordinal).toBe(4);
  again.log.close();
});

test.each([1, 5, 19, 20, 22])(
  "an end torn %i bytes into its last record is cut off",
  async (bytes) => {
    const { dir, file } = await written("whole", "torn!");
    truncateSync(file, statSync(file).size - 25 + bytes);
    const { log, records } = open(dir);
    expect(records).toEqual(["0 whole"]);
    expect(log.damage).toEqual([{ segment: "segment-1", what: "torn end cut off", bytes }]);
    log.append(recordKind.traces, Buffer.from("next"));
    log.close();
    const again = open(dir);
    expect(again.records).toEqual(["0 whole", "1 next"]);
    expect(again.log.damage).toEqual([]);
    again.log.close();
  },
);

test("a segment of the first version, which knew no carries, is read like any other", async () => {
  const { dir, file } = await written("one", "two");
  const bytes = readFileSync(file);
  bytes.writeUInt32LE(1, 8);
  writeFileSync(file, bytes);
  const { log, records } = open(dir);
  expect(records).toEqual(["0 one", "1 two"]);
  expect(log.damage).toEqual([]);
  log.append(recordKind.traces, Buffer.from("three"));
  log.close();
  const again = open(dir);
  expect(again.records).toEqual(["0 one", "1 two", "2 three"]);
  again.log.close();
});

test("a record with a flipped bit is skipped and told, the others stay", async () => {
  const { dir, file } = await written("one", "two", "three");
  const bytes = readFileSync(file);
  const at = bytes.indexOf("two");
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
  const { log, records } = open(dir);
  expect(records).toEqual(["0 one", "2 three"]);
  expect(log.damage).toEqual([{ segment: "segment-1", what: "corrupt record skipped", bytes: 23 }]);
  log.close();
});

test.each([
  ["empty", Buffer.alloc(0)],
  ["something else", Buffer.from("SQLite format 3\0".repeat(10))],
  [
    "of a later version",
    Buffer.concat([Buffer.from("LABSTORE"), Buffer.from([9, 0, 0, 0]), Buffer.alloc(40)]),
  ],
])("a segment that is %s is set aside, and the store starts", async (_, content) => {
  const dir = await emptyDir();
  writeFileSync(join(dir, "segment-00000001.log"), content);
  const { log, records } = open(dir);
  expect(records).toEqual([]);
  expect(log.damage).toMatchObject([{ what: "unreadable segment set aside" }]);
  log.append(recordKind.traces, Buffer.from("fresh"));
  log.close();
  expect(readdirSync(dir).filter((name) => name.includes(".bad-"))).toHaveLength(1);
  const again = open(dir);
  expect(again.records).toEqual(["0 fresh"]);
  again.log.close();
});

test("a length that lies is damage, never a crash: 300 mutated segment files", async () => {
  const { dir, file } = await written("one", "two", "three", "four");
  const original = readFileSync(file);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(original.length),
      (flips, length) => {
        const bytes = Buffer.from(original);
        for (const [at, value] of flips) bytes[at] = value;
        for (const name of readdirSync(dir))
          if (name.includes(".bad-")) writeFileSync(join(dir, name), "");
        writeFileSync(file, bytes.subarray(0, length));
        const { log, records } = open(dir);
        const whole = ["one", "two", "three", "four"];
        // An altered header may renumber; no record may come back altered.
        expect(records.every((record) => whole.includes(record.split(" ")[1] ?? ""))).toBe(true);
        log.close();
      },
    ),
    { numRuns: 300 },
  );
});
