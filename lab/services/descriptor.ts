import type { Env } from "#lab/state/lab-dir.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import type { Running } from "#lab/supervisor/running.ts";
import type { ProxyTarget } from "#scenarios/fault.ts";
import type { ServiceId } from "./ids.ts";

/** One service: what it needs, how it is known to be ready, how it is stopped, and how each runtime gets it. */
export interface ServiceDescriptor {
  readonly id: ServiceId;
  readonly title: string;
  /** What it is for, in one line. */
  readonly role: string;
  /** Ready before this one starts, and stopped after it. */
  readonly dependsOn: readonly ServiceId[];
  /** The first is the main one. */
  readonly ports: readonly PortSpec[];
  readonly readiness: Probe;
  /**
   * `late`: a start does not wait for it while its program is being fetched. `optional`: neither does
   * its absence or failure count, unless somebody asked for it by a setting of its own.
   */
  readonly presence?: "late" | "optional";
  /** From spawn to ready, settling included. */
  readonly startTimeoutMs: number;
  readonly stop: StopRule;
  /** Where it exposes metrics in the Prometheus text or OpenMetrics format. */
  readonly metrics?: MetricsEndpoint;
  readonly embedded: EmbeddedRecipe;
}

export interface PortSpec {
  /** `main`, or what it is for. */
  readonly name: string;
  /** Taken when it is free; else, or without it, some free port. */
  readonly preferred?: number;
  /** Of its URL; `http` when left out. */
  readonly scheme?: string;
}

export interface MetricsEndpoint {
  readonly port: string;
  readonly path: string;
  /** How the names of its own metrics begin, e.g. `redis_`: tells whose a metric is. */
  readonly prefixes: readonly string[];
  readonly headers?: (context: Pick<ProbeContext, "secrets">) => Readonly<Record<string, string>>;
}

/** How a starting service is asked whether it can work now. All go to 127.0.0.1. */
export type Probe =
  | { readonly kind: "tcp"; readonly port: string }
  | {
      readonly kind: "http";
      readonly port: string;
      readonly path: string;
      /** Ready is 200 and nothing else. */
      readonly headers?: (context: ProbeContext) => Readonly<Record<string, string>>;
    }
  /** Answers a start-up packet with a demand for a password, as `pg_isready` asks. */
  | { readonly kind: "postgres"; readonly port: string; readonly user: string }
  /** Lets the password in and answers PING in Valkey's protocol. */
  | {
      readonly kind: "valkey";
      readonly port: string;
      readonly password: (context: ProbeContext) => string;
    };

export interface StopRule {
  readonly signal: "SIGTERM" | "SIGINT";
  /** From the signal to SIGKILL. */
  readonly graceMs: number;
}

/** How the embedded runtime, where services are processes of this machine, runs it. */
export interface EmbeddedRecipe {
  /** What a path given by hand (`LAB_<ID>_BIN`) is; nothing else is tried then. */
  readonly named: (path: string) => Promise<Program | NotApplicable>;
  /** In order of preference: the first that applies wins. */
  readonly providers: readonly Provider[];
  /** Everything up to the command line: folders, data, settings. May take long; reports its progress. */
  readonly launch: (
    program: Program,
    context: LaunchContext,
  ) => Promise<Command | Workload> | Command | Workload;
  /**
   * Its process is there while what it depends on is still starting, loads its code meanwhile, and
   * begins its work with the first line on its standard input. It finds `LAB_BEGINS=stdin` in its
   * environment.
   */
  readonly loadsEarly?: true;
  /** After the probe answered and before others may use it, e.g. making roles. */
  readonly settle?: (context: LaunchContext) => Promise<void>;
}

/** A program that can be run here. */
export interface Program {
  /** Path of the executable, or of a script for Node. */
  readonly path: string;
  readonly kind: "real" | "stand-in";
  /** What it really is and where it is from, e.g. `18.4 (npm)`. */
  readonly version: string;
  /** What it needs to run, e.g. where its libraries are. */
  readonly env?: Readonly<Record<string, string>>;
  /** What to know about it, e.g. why it is a stand-in. */
  readonly note?: string;
}

/** How a program is looked for. */
export interface Search {
  /** Whether it may be fetched from somewhere else; else only what is on this machine counts. */
  readonly fetches?: boolean;
  /** Shows a fetch under way, `done` from 0 to 1. */
  readonly report?: (step: string, done: number) => void;
  readonly signal?: AbortSignal;
}

/** Why a provider has nothing to offer on this machine: a value, because it is normal. */
export interface NotApplicable {
  readonly notApplicable: string;
  /** What would make it apply. */
  readonly hint?: string;
}

/** One place a program may come from. */
export type Provider = (env: Env, search?: Search) => Promise<Program | NotApplicable>;

/** A process to be. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Added to what every child gets. Secrets go here, never into `args`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Programs that set something up and then become the next one, outermost first: `["unshare", "--user", "--"]`. */
  readonly through?: readonly string[];
  /** Run as somebody else; for root only. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** Something to be that is no child of the lab, as a container is. */
export interface Workload {
  /** @throws LabError, or CrashError when it ended at once. */
  readonly begin: () => Promise<Running>;
}

/** What a probe may use. */
export type ProbeContext = Pick<LaunchContext, "port" | "secrets" | "serviceDir">;

/** What a recipe may use. */
export interface LaunchContext {
  /** The lab's state folder. */
  readonly dir: string;
  /** `<dir>/<id>`; exists. */
  readonly serviceDir: string;
  readonly secrets: Secrets;
  /** Canonical origin of the lab, e.g. `http://localhost:4700`. */
  readonly origin: string;
  /** Version of the lab. */
  readonly version: string;
  /** The lab's own environment. */
  readonly env: Env;
  /** One of this service's ports; the main one without a name. */
  readonly port: (name?: string) => number;
  /** A port of a service named in `dependsOn`. */
  readonly portOf: (id: ServiceId, name?: string) => number;
  /**
   * A port that a service will have, whether it runs yet or not; undefined when it is not part of
   * this system or cannot have it. Needs no `dependsOn`.
   */
  readonly futurePortOf: (id: ServiceId, name?: string) => Promise<number | undefined>;
  /**
   * The port on which the app reaches a service: the lab's TCP proxy in front of it, which keeps its
   * port whatever the service does. Needs no `dependsOn`.
   */
  readonly appPortOf: (target: ProxyTarget) => Promise<number>;
  /** Shows a long step, `done` from 0 to 1. */
  readonly report: (step: string, done: number) => void;
  /** Runs a helper program to its end, under the same protection against being left behind as a service. */
  readonly run: (command: Command, options?: RunOptions) => Promise<RunResult>;
  /** Aborted when the service shall stop. */
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly input?: string;
  readonly onOutput?: (text: string) => void;
}

export interface RunResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** Standard output and error as they came, the last 64 KiB. */
  readonly output: string;
}
