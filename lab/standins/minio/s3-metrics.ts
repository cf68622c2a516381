/** Counters of the server, in Prometheus's text format. Names are our own: the numbers are not MinIO's. */
export interface S3Metrics {
  readonly begin: () => void;
  readonly end: (answered: {
    readonly api: string;
    readonly status: number;
    readonly sent: number;
    readonly received: number;
    /** Refused for its clock before anything else was looked at: no error of an API then, as MinIO counts. */
    readonly badTime?: boolean;
  }) => void;
  readonly text: (gauges: {
    readonly bytes: number;
    readonly objects: number;
    readonly buckets: number;
  }) => string;
}

/** APIs whose series are there from the start: a counter that appears with its first refusal shows no increase. */
const known = ["GetObject", "HeadObject", "PutObject", "ListObjectsV2", "DeleteObject"] as const;

export function openMetrics(): S3Metrics {
  const requests = new Map<string, number>();
  const clientErrors = new Map<string, number>(known.map((api) => [api, 0]));
  const serverErrors = new Map<string, number>(known.map((api) => [api, 0]));
  let [inFlight, received, sent, badTimes] = [0, 0, 0, 0];
  const add = (counts: Map<string, number>, key: string): void =>
    void counts.set(key, (counts.get(key) ?? 0) + 1);
  const byApi = (name: string, help: string, counts: ReadonlyMap<string, number>): string[] => [
    ...header(name, help, "counter"),
    ...[...counts].map(([api, count]) => `${name}{name="${api}"} ${count}`),
  ];
  return {
    begin() {
      inFlight += 1;
    },
    end({ api, status, badTime, ...bytes }) {
      inFlight -= 1;
      received += bytes.received;
      sent += bytes.sent;
      add(requests, `name="${api}",status="${status}"`);
      if (badTime) badTimes += 1;
      else if (status >= 500) add(serverErrors, api);
      else if (status >= 400) add(clientErrors, api);
    },
    text: (gauges) =>
      [
        ...header("lab_s3_requests_total", "S3 requests answered.", "counter"),
        ...[...requests].map(([labels, count]) => `lab_s3_requests_total{${labels}} ${count}`),
        ...byApi(
          "lab_s3_requests_4xx_errors_total",
          "S3 requests refused as the client's fault.",
          clientErrors,
        ),
        ...byApi(
          "lab_s3_requests_5xx_errors_total",
          "S3 requests refused as the server's fault.",
          serverErrors,
        ),
        ...single(
          "lab_s3_requests_rejected_timestamp_total",
          "S3 requests refused because their time is too far off.",
          "counter",
          badTimes,
        ),
        ...single("lab_s3_requests_inflight", "S3 requests being answered.", "gauge", inFlight),
        ...single(
          "lab_s3_traffic_received_bytes_total",
          "Bytes of request bodies.",
          "counter",
          received,
        ),
        ...single("lab_s3_traffic_sent_bytes_total", "Bytes of answers.", "counter", sent),
        ...single("lab_s3_stored_bytes", "Bytes of all objects.", "gauge", gauges.bytes),
        ...single("lab_s3_stored_objects", "Keys of all buckets.", "gauge", gauges.objects),
        ...single("lab_s3_buckets", "Buckets.", "gauge", gauges.buckets),
        "",
      ].join("\n"),
  };
}

const header = (name: string, help: string, type: string): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];
const single = (name: string, help: string, type: string, value: number): string[] => [
  ...header(name, help, type),
  `${name} ${value}`,
];
