/** Services that a scenario may kill, pause or stop. */
export type FaultService = "server" | "postgres" | "valkey" | "minio" | "keycloak" | "store";
/**
 * Connections of the app that the lab can break: each runs through a TCP proxy of the lab.
 * `collector` is where the app sends its OTLP.
 */
export type ProxyTarget = "postgres" | "valkey" | "minio" | "keycloak" | "collector";
/** What happens to bytes on their way, in the words of Toxiproxy (https://github.com/Shopify/toxiproxy#toxics). */
export type Toxic =
  /** Answers come so much later, ± jitter. */
  | { readonly kind: "latency"; readonly ms: number; readonly jitterMs?: number }
  /** Nobody listens: open connections are closed, new ones refused. */
  | { readonly kind: "down" }
  /** Open connections and new ones end in a TCP reset. */
  | { readonly kind: "reset" }
  /** Connections are accepted and nothing comes back. */
  | { readonly kind: "hang" }
  | { readonly kind: "bandwidth"; readonly kilobytesPerSecond: number }
  /** The end of a connection is passed on so much later. */
  | { readonly kind: "slow-close"; readonly ms: number }
  /** HTTP: every request is answered so by somebody in front of the service, which hears nothing. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly type: string;
      readonly body: string;
    };
/**
 * Something the lab breaks around the app while a run lasts, armed before its ticket is handed out.
 * Ends with the run, after `forMs`, or with the lab, whichever comes first. Times count from the
 * moment in which the run's request goes to the app.
 */
export type Fault =
  | {
      readonly kind: "proxy";
      readonly target: ProxyTarget;
      readonly toxic: Toxic;
      /** Default: from the arming on. */
      readonly afterMs?: number;
      /** Default: as long as the run. */
      readonly forMs?: number;
    }
  | {
      readonly kind: "service";
      readonly service: FaultService;
      /** `kill` is SIGKILL and a restart by the supervisor; `pause` stops the process where it stands; `stop` keeps it away. */
      readonly action: "kill" | "pause" | "stop";
      readonly afterMs?: number;
      readonly forMs?: number;
    };
interface FaultTime {
  readonly afterMs?: number;
  readonly forMs?: number;
}
const given = ({ afterMs, forMs }: FaultTime): FaultTime => ({
  ...(afterMs === undefined ? {} : { afterMs }),
  ...(forMs === undefined ? {} : { forMs }),
});
/** Faults on one of the app's connections: `proxy("valkey").latency({ ms: 300 })`. */
export const proxy = (target: ProxyTarget) => {
  const fault = (toxic: Toxic, time: FaultTime): Fault => ({
    kind: "proxy",
    target,
    toxic,
    ...given(time),
  });
  return {
    latency: ({ ms, jitterMs = 0, ...time }: { ms: number; jitterMs?: number } & FaultTime) =>
      fault({ kind: "latency", ms, jitterMs }, time),
    down: (time: FaultTime = {}) => fault({ kind: "down" }, time),
    reset: (time: FaultTime = {}) => fault({ kind: "reset" }, time),
    hang: (time: FaultTime = {}) => fault({ kind: "hang" }, time),
    bandwidth: ({ kilobytesPerSecond, ...time }: { kilobytesPerSecond: number } & FaultTime) =>
      fault({ kind: "bandwidth", kilobytesPerSecond }, time),
    slowClose: ({ ms, ...time }: { ms: number } & FaultTime) =>
      fault({ kind: "slow-close", ms }, time),
    answer: ({
      status,
      type,
      body,
      ...time
    }: { status: number; type: string; body: string } & FaultTime) =>
      fault({ kind: "answer", status, type, body }, time),
  } as const;
};
const serviceFault =
  (action: "kill" | "pause" | "stop") =>
  (service: FaultService, time: FaultTime = {}): Fault => ({
    kind: "service",
    service,
    action,
    ...given(time),
  });
export const kill = serviceFault("kill");
export const pause = serviceFault("pause");
export const stop = serviceFault("stop");
