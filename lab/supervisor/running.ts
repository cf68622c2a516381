import type { Readable } from "node:stream";
import type { ServiceStatus } from "#lab/api/services.ts";

/** How a process ended: `code`, or the signal that ended it, or why it never began. */
export type Exit =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | { readonly kind: "not-spawned"; readonly error: Error };

/** A service while it runs, be it a process of this machine or a container. */
export interface Running {
  /** Undefined for what is no process of this machine, or could not be spawned; `exited` says why. */
  readonly pid: number | undefined;
  /** What it writes. */
  readonly output: readonly Readable[];
  readonly exited: Promise<Exit>;
  /** It ended and nobody holds its output any more. */
  readonly closed: Promise<void>;
  /** Signals all of it. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Lets a process begin that only loaded its code so far. */
  readonly begin?: () => void;
  /** Lets all of it stand still where that is not done by signals to its processes; the function lets it go on. */
  readonly freeze?: () => Promise<() => void>;
  /** Resolves once its own health check passes; for what has one. Hears what each failed look saw. */
  readonly healthy?: (signal: AbortSignal, onSight: (sight: string) => void) => Promise<void>;
  readonly container?: ContainerView;
}

/** What is to be seen of a container. */
export interface ContainerView {
  readonly facts: () => NonNullable<ServiceStatus["container"]>;
  /** Calls back whenever they change. */
  readonly onChange: (listener: () => void) => void;
}
