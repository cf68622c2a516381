import * as v from "valibot";

const lineSchema = v.object({
  id: v.string(),
  current: v.optional(v.number()),
  total: v.optional(v.number()),
  percent: v.optional(v.number()),
  status: v.optional(v.string()),
  text: v.optional(v.string()),
});

/**
 * Reads what `docker compose pull` says and reports the share done, from 0 to 1, by the
 * bytes of the layers.
 */
export function readPullProgress(report: (done: number) => void): (text: string) => void {
  const layers = new Map<string, number>();
  let rest = "";
  let told = -1;
  const tell = () => {
    const shares = [...layers.values()];
    const done = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
    // Never backwards: layers become known one after another.
    if (done <= told) return;
    told = done;
    report(Math.min(done, 1));
  };
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const step = line.startsWith("{") ? jsonStep(line) : plainStep(line);
      if (step === undefined) continue;
      layers.set(step.layer, Math.max(layers.get(step.layer) ?? 0, step.share));
      tell();
    }
  };
}

interface Step {
  readonly layer: string;
  readonly share: number;
}

const layerId = /^[0-9a-f]{12}$/;

function jsonStep(line: string): Step | undefined {
  try {
    const read = v.safeParse(lineSchema, JSON.parse(line));
    if (!read.success || !layerId.test(read.output.id)) return undefined;
    const { id: layer, current, total, status = "", text = "" } = read.output;
    return { layer, share: shareOf(`${status} ${text}`, current, total) };
  } catch {
    return undefined;
  }
}

/** ` 9824c27679d3 Pull complete` or ` 9824c27679d3 Downloading [==>   ]  2.164MB/4.197MB`. */
function plainStep(line: string): Step | undefined {
  const found = /^\s*([0-9a-f]{12})\s+(.+?)\s*$/.exec(line);
  if (found?.[1] === undefined || found[2] === undefined) return undefined;
  const [, layer, words] = found;
  const [, current, total] = /([\d.]+[kMG]?B)\/([\d.]+[kMG]?B)$/.exec(words) ?? [];
  return { layer, share: shareOf(words, bytesOf(current), bytesOf(total)) };
}

/** Unpacking comes after the download, and takes about as long on a fast line. */
function shareOf(words: string, current: number | undefined, total: number | undefined): number {
  if (/Pull complete|Already exists/i.test(words)) return 1;
  if (/Download complete|Verifying/i.test(words)) return 0.5;
  const part = current !== undefined && total ? current / total / 2 : 0;
  return (/Extracting/i.test(words) ? 0.5 : 0) + part;
}

const powers = { k: 1e3, M: 1e6, G: 1e9 } as const;

/** `4.197MB` → 4197000. */
function bytesOf(text: string | undefined): number | undefined {
  const [, number, unit] = /^([\d.]+)([kMG]?)B$/.exec(text ?? "") ?? [];
  if (number === undefined) return undefined;
  return Number(number) * (unit ? powers[unit as keyof typeof powers] : 1);
}
