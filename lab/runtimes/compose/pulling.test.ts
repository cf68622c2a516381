import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { rowText } from "#lab/cli/board.ts";
import { inState, rowWhen } from "#lab/supervisor/testing/supervise.ts";
import {
  doubleEntry,
  doubleLayer,
  engineArchitecture,
  makeDoubleImage,
  removeImages,
  whyNoContainers,
} from "./testing/engine-under-test.ts";
import { openLab } from "./testing/lab-of-doubles.ts";
import { openRegistry, type Registry } from "./testing/registry.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const unable = await whyNoContainers();
if (unable !== undefined) console.log(`pulling is not tried: ${unable}`);

describe.skipIf(unable !== undefined)("images that are not here", () => {
  const entry = doubleEntry;
  let layer: Buffer;
  let architecture: string;
  let registry: Registry;
  beforeAll(async () => {
    await makeDoubleImage();
    [layer, architecture, registry] = await Promise.all([
      // Engines tell of a download in steps of half a mebibyte.
      doubleLayer(4 * 2 ** 20),
      engineArchitecture(),
      openRegistry(),
    ]);
  });
  afterAll(() => registry?.close());

  test("are pulled, each with its share done, and the row names the digest", async () => {
    const offer = { layer, entry, architecture, held: true };
    const { image, digest } = registry.offer("lab-test/pulled:1", offer);
    onTestFinished(() => removeImages(image));
    const lab = await openLab({ LOKI_IMAGE: image });
    onTestFinished(() => lab.close());
    const half = await rowWhen(lab.system, "loki", ({ progress }) => (progress?.done ?? 0) > 0);
    expect(half.progress?.done).toBeLessThan(0.5);
    expect(rowText(half)).toMatch(
      /loki +preparing .*pulling 127\.0\.0\.1:\d+\/lab-test\/pulled:1 \d+ %/,
    );
    registry.release();
    const row = await rowWhen(lab.system, "loki", inState("ready"));
    expect(row.container).toMatchObject({ image, digest });
    expect(rowText(row)).toContain(digest.slice(0, 19));
  });

  test("that cannot be had are told with the reason and the way out, and the others start", async () => {
    const foreign = architecture === "s390x" ? "riscv64" : "s390x";
    const offer = { layer, entry, architecture: foreign };
    const { image } = registry.offer("lab-test/foreign:1", offer);
    const lab = await openLab({
      // Nobody listens there: a registry that is not reached.
      TEMPO_IMAGE: "127.0.0.1:1/lab-test/none:1",
      LOKI_IMAGE: image,
      GRAFANA_IMAGE: `${registry.host}/lab-test/unknown:1`,
    });
    onTestFinished(() => lab.close());
    await expect(lab.system.ready()).rejects.toMatchObject({ code: "image-missing" });
    const note = async (id: "tempo" | "loki") =>
      (await rowWhen(lab.system, id, inState("unavailable"))).note;
    expect(await note("tempo")).toMatch(/none:1 of tempo .*its registry cannot be reached/);
    expect(await note("loki")).toMatch(/foreign:1 of loki .*not made for this machine's processor/);
    // It waits for the other two, so it is asked for by hand.
    await expect(lab.stack.program("grafana", {})).rejects.toMatchObject({
      message: expect.stringMatching(/unknown:1 of grafana .*its registry does not give it/),
      hint: expect.stringContaining("GRAFANA_IMAGE="),
    });
    await rowWhen(lab.system, "prometheus", inState("ready"));
  });

  test("are pulled no longer when the lab stops", async () => {
    const slow = await openRegistry();
    onTestFinished(() => slow.close());
    const offer = { layer, entry, architecture, held: true };
    const { image } = slow.offer("lab-test/slow:1", offer);
    onTestFinished(() => removeImages(image));
    const lab = await openLab({ LOKI_IMAGE: image });
    onTestFinished(() => lab.close());
    await slow.waiting();
    await lab.system.shutdown();
    await slow.left();
  });
});
