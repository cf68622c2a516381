import { LabError } from "#lab/errors.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import { describeExit } from "./child.ts";
import type { Exit } from "./running.ts";

/** The process ended without having been asked to. */
export class CrashError extends Error {
  readonly exit: Exit;
  /** Its last lines, at most 20. */
  readonly lines: readonly string[];

  constructor(exit: Exit, lines: readonly string[]) {
    super(describeExit(exit));
    this.exit = exit;
    this.lines = lines;
  }

  /** Another program has the port it was told to listen on. */
  get portTaken(): boolean {
    return this.lines.some((line) => /EADDRINUSE|address already in use/i.test(line));
  }

  get diskFull(): boolean {
    return this.lines.some((line) => /ENOSPC|No space left on device/i.test(line));
  }
}

/** What a failed try means. */
export type Failure =
  /** Trying again cannot help. */
  | { readonly kind: "impossible"; readonly error: LabError }
  | {
      readonly kind: "crash";
      /** Set when somebody waiting for the start should hear of it now. */
      readonly error: LabError | undefined;
      /** Whether it counts towards crash-looping. */
      readonly counts: boolean;
      readonly summary: string;
      readonly lines: readonly string[];
    };

/** Reasons that may pass by themselves, so the service tries on. */
const passing = new Set(["disk-full", "start-timeout"]);

export const failureOf = {
  attempt(error: unknown, descriptor: ServiceDescriptor, logFile: string): Failure {
    if (error instanceof LabError && !passing.has(error.code)) return { kind: "impossible", error };
    if (error instanceof LabError) {
      const counts = error.code !== "disk-full";
      return { kind: "crash", error, counts, summary: error.message, lines: [] };
    }
    if (error instanceof CrashError) {
      const full = error.diskFull ? diskFull(descriptor, logFile) : undefined;
      return {
        kind: "crash",
        error: full,
        counts: !full,
        summary: full?.message ?? `${descriptor.title} ${error.message}`,
        lines: error.lines,
      };
    }
    const message = error instanceof Error ? error.message : String(error);
    return {
      kind: "crash",
      error: undefined,
      counts: true,
      summary: `${descriptor.title} could not be started: ${message}`,
      lines: [],
    };
  },

  startTimeout(
    descriptor: ServiceDescriptor,
    sight: string,
    lines: readonly string[],
    logFile: string,
  ): LabError {
    const seconds = descriptor.startTimeoutMs / 1_000;
    return new LabError(
      "start-timeout",
      `${descriptor.title} was not ready after ${seconds} s; last seen: ${sight}.${quote(lines)}`,
      { hint: `Its log is ${logFile}.` },
    );
  },

  crashLooping(
    descriptor: ServiceDescriptor,
    told: { readonly summary: string; readonly lines: readonly string[] },
    logFile: string,
  ): LabError {
    return new LabError("crash-looping", crashNote(told), {
      hint: `Its log is ${logFile}. Try again with: npm run lab -- restart ${descriptor.id}`,
    });
  },
};

function diskFull(descriptor: ServiceDescriptor, logFile: string): LabError {
  return new LabError("disk-full", `${descriptor.title} ran out of disk space.`, {
    hint: `Free some space; it starts again by itself. Its log is ${logFile}.`,
  });
}

/** The note of a service that is left alone after too many crashes. */
export function crashNote(told: {
  readonly summary: string;
  readonly lines: readonly string[];
}): string {
  return `${told.summary}, five times within a minute.${quote(told.lines)}`;
}

function quote(lines: readonly string[]): string {
  if (lines.length === 0) return " It wrote nothing.";
  const short = lines.map((line) => (line.length > 300 ? `${line.slice(0, 300)}…` : line));
  return ` Last lines:\n${short.join("\n")}`;
}
