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
 * Reads what `docker compose pull` says and reports the share done, from 0 to 1: by bytes of the
 * layers where it tells them (`--progress json`), else by layers.
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
    const words = `${status} ${text}`;
    if (/Pull complete|Already exists/i.test(words)) return { layer, share: 1 };
    // Unpacking comes after, and takes about as long on a fast line.
    const half = /Extracting/i.test(words) ? 0.5 : 0;
    const part = current !== undefined && total ? current / total / 2 : 0;
    return { layer, share: /Download complete|Verifying/i.test(words) ? 0.5 : half + part };
  } catch {
    return undefined;
  }
}

/** ` 9824c27679d3 Pull complete`. */
function plainStep(line: string): Step | undefined {
  const found = /^\s*([0-9a-f]{12})\s+(.+?)\s*$/.exec(line);
  if (found?.[1] === undefined || found[2] === undefined) return undefined;
  const layer = found[1];
  if (/Pull complete|Already exists/i.test(found[2])) return { layer, share: 1 };
  return { layer, share: /Download complete|Verifying|Extracting/i.test(found[2]) ? 0.5 : 0 };
}
