import { expect, test } from "vitest";
import { eventMessages, type StreamMessage } from "./event-stream.ts";

async function* chunks(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield new TextEncoder().encode(part);
}
async function messages(body: AsyncIterable<Uint8Array>): Promise<StreamMessage[]> {
  const found: StreamMessage[] = [];
  for await (const message of eventMessages(body)) found.push(message);
  return found;
}
const read = (...parts: string[]) => messages(chunks(parts));

test("messages may be cut anywhere", async () => {
  const whole = 'id: 7\ndata: {"a":"é"}\n\nid: 8\ndata: x\n\n';
  const bytes = new TextEncoder().encode(whole);
  async function* single(): AsyncGenerator<Uint8Array> {
    for (const byte of bytes) yield Uint8Array.of(byte);
  }
  const expected = [
    { id: "7", data: '{"a":"é"}' },
    { id: "8", data: "x" },
  ];
  expect(await messages(single())).toEqual(expected);
  expect(await read(whole)).toEqual(expected);
});

test("comments and messages without data are skipped, data of several lines is joined", async () => {
  expect(await read(": beat\n\nretry: 5\n\n", "data: a\ndata: b\n\n")).toEqual([
    { id: "", data: "a\nb" },
  ]);
});

test("a message that was not finished is no message", async () => {
  expect(await read("data: cut")).toEqual([]);
});
