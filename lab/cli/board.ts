import type { ServiceState, ServiceStatus } from "#lab/api/services.ts";

/** One line of the board: a service, or another thing that has to get ready, such as the page. */
export type BoardRow = { readonly id: string } & Pick<
  ServiceStatus,
  "state" | "kind" | "version" | "port" | "startMs" | "restarts" | "progress" | "note" | "container"
>;

/** Where a start is shown: one line per row, and notes between them. */
export interface Board {
  readonly row: (row: BoardRow) => void;
  readonly note: (line: string) => void;
  /** Leaves what was shown as it is. */
  readonly end: () => void;
}

const marks: Readonly<Record<ServiceState, string>> = {
  waiting: "·",
  preparing: "…",
  starting: "…",
  ready: "✓",
  "backing-off": "!",
  "crash-looping": "✗",
  stopping: "…",
  stopped: "–",
  unavailable: "✗",
};

/** `✓ postgres       ready          0.8 s  real 18.4 (npm), port 20412`. */
export function rowText(row: BoardRow): string {
  const time = row.startMs === null ? "" : `${(row.startMs / 1000).toFixed(1)} s`;
  if (row.kind === "absent" && row.state === "unavailable") {
    // Why can take three lines, and is the same at every start.
    return `– ${row.id.padEnd(14)} ${"absent".padEnd(21)} why: npm run lab -- doctor`;
  }
  const mark = row.kind === "absent" ? "–" : marks[row.state];
  const head = `${mark} ${row.id.padEnd(14)} ${row.state.padEnd(13)} ${time.padStart(6)}`;
  return `${head}  ${details(row)}`.trimEnd();
}

const calm: ReadonlySet<ServiceState> = new Set(["starting", "ready", "stopping", "stopped"]);

function details(row: BoardRow): string {
  const { state, progress, kind, version, port, restarts, note } = row;
  if (progress !== null) return `${progress.step} ${Math.round(progress.done * 100)} %`;
  return [
    version === null ? (kind === "absent" ? "absent" : "") : `${kind} ${version}`,
    port === null ? "" : `port ${port}`,
    ...containerWords(row.container),
    restarts === 0 ? "" : `${restarts} restarts`,
    // Why it is a stand-in is told by doctor and by the page.
    kind === "stand-in" && calm.has(state) ? "" : (note ?? ""),
  ]
    .filter((word) => word !== "")
    .join(", ");
}

/** Image, the digest's first digits, health and memory, as far as they are known. */
function containerWords(container: BoardRow["container"]): readonly string[] {
  if (container === undefined) return [];
  const { image, digest, health, memoryBytes, memoryLimitBytes } = container;
  const inMebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  return [
    image.replace(/@.*$/, ""),
    digest?.replace(/^(sha256:.{12}).*$/, "$1") ?? "",
    health ?? "",
    memoryBytes === null
      ? ""
      : `${inMebibytes(memoryBytes)}${memoryLimitBytes === null ? "" : ` of ${inMebibytes(memoryLimitBytes)}`} MiB`,
  ];
}

/** Plain lines for logs and CI: one for each new state or step, none for the share of a step. */
export function plainBoard(write: (line: string) => void): Board {
  const shown = new Map<string, string>();
  return {
    row: (row) => {
      const key = `${row.state} ${row.progress?.step ?? ""}`;
      if (shown.get(row.id) === key) return;
      shown.set(row.id, key);
      if (row.state !== "waiting") write(rowText(row));
    },
    note: write,
    end: () => {},
  };
}

/** What the live board needs of a terminal. */
export interface Screen {
  /** 0 or missing where the terminal does not tell. */
  readonly columns?: number;
  readonly write: (text: string) => unknown;
}

/** Repaints the rows in place, at most every 50 ms; notes go above them. */
export function liveBoard(screen: Screen): Board {
  const rows = new Map<string, BoardRow>();
  let painted = 0;
  let timer: NodeJS.Timeout | undefined;
  const erase = (): string => (painted > 0 ? `\x1b[${painted}A\x1b[J` : "");
  const rowLines = (): string[] =>
    [...rows.values()].map((row) => rowText(row).slice(0, (screen.columns || 80) - 1));
  const paint = (above: readonly string[] = []): void => {
    clearTimeout(timer);
    timer = undefined;
    const lines = rowLines();
    screen.write(`${erase()}${[...above, ...lines].map((line) => `${line}\n`).join("")}`);
    painted = lines.length;
  };
  return {
    row: (row) => {
      rows.set(row.id, row);
      timer ??= setTimeout(paint, 50);
    },
    note: (line) => paint([line]),
    end: () => {
      if (timer !== undefined) paint();
      painted = 0;
      rows.clear();
    },
  };
}
