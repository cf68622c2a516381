import { expect, test } from "vitest";
import { readPullProgress } from "./pull-progress.ts";

const shares = (...chunks: readonly string[]): readonly number[] => {
  const told: number[] = [];
  const read = readPullProgress((done) => told.push(Math.round(done * 100) / 100));
  for (const chunk of chunks) read(chunk);
  return told;
};

test("half of a layer's share is its download, half its unpacking, whether lines are JSON or plain", () => {
  const json = [
    { id: "23c5714ec43d", text: "Pulling fs layer" },
    { id: "23c5714ec43d", text: "Downloading", current: 1_000_000, total: 4_000_000 },
    { id: "23c5714ec43d", text: "Download complete", percent: 100 },
    { id: "23c5714ec43d", text: "Extracting", current: 2_000_000, total: 4_000_000 },
    { id: "23c5714ec43d", text: "Pull complete", percent: 100 },
  ].map((line) => `${JSON.stringify({ parent_id: "loki", ...line })}\n`);
  const plain = [
    " 23c5714ec43d Pulling fs layer \n",
    " 23c5714ec43d Downloading [====>        ]  1MB/4MB\n",
    " 23c5714ec43d Download complete \n",
    " 23c5714ec43d Extracting [======>      ]  2000kB/4MB\n",
    " 23c5714ec43d Pull complete \n",
  ];
  expect(shares(...json)).toEqual([0, 0.13, 0.5, 0.75, 1]);
  expect(shares(...plain)).toEqual([0, 0.13, 0.5, 0.75, 1]);
});

test("layers count alike, lines may come in pieces, and it never goes backwards", () => {
  expect(
    shares(
      ' 23c5714ec43d Pull complete \n{"id":"loki","text":"Pulling"}\n 9824c2',
      "7679d3 Pulling fs layer \n 9824c27679d3 Pull complete \n 9824c27679d3 Downloading [>] 1MB/4MB\n",
    ),
  ).toEqual([1]);
  expect(shares(" a3ed95caeb02 Pulling fs layer\n b3ed95caeb02 Already exists\n")).toEqual([
    0, 0.5,
  ]);
});
