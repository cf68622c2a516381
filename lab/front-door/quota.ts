/** A token bucket over requests and bytes. */
export interface Quota {
  /** Zero when the request may pass, else the milliseconds after which to try again. */
  readonly take: (bytes: number) => number;
}

export interface QuotaOptions {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Seconds of allowance that may be used at once. */
  readonly burstSeconds: number;
}

export function openQuota(
  options: QuotaOptions,
  now: () => number = () => performance.now(),
): Quota {
  const { requestsPerSecond, bytesPerSecond, burstSeconds } = options;
  let requests = requestsPerSecond * burstSeconds;
  let bytes = bytesPerSecond * burstSeconds;
  let last = now();
  return {
    take: (size) => {
      const time = now();
      const seconds = (time - last) / 1000;
      last = time;
      requests = Math.min(requests + seconds * requestsPerSecond, requestsPerSecond * burstSeconds);
      bytes = Math.min(bytes + seconds * bytesPerSecond, bytesPerSecond * burstSeconds);
      const wait = Math.max((1 - requests) / requestsPerSecond, (size - bytes) / bytesPerSecond, 0);
      if (wait > 0) return Math.ceil(wait * 1000);
      requests -= 1;
      bytes -= size;
      return 0;
    },
  };
}
