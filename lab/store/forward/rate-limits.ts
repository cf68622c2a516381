/** Kind of data that Sentry counts by (https://develop.sentry.dev/sdk/expected-features/rate-limiting/). */
export type Category = string;

export interface RateLimits {
  readonly isLimited: (category: Category, now: number) => boolean;
  /** Takes in what an answer says; `now` in milliseconds. */
  readonly learn: (answer: LimitingAnswer, now: number) => void;
}

export interface LimitingAnswer {
  readonly status: number;
  /** `X-Sentry-Rate-Limits` and `Retry-After`. */
  readonly rateLimits: string | undefined;
  readonly retryAfter: string | undefined;
}

const everything = "";
const defaultSeconds = 60;

/** Until when each category must not be sent. */
export function rateLimits(): RateLimits {
  const until = new Map<Category, number>();
  const limit = (category: Category, to: number): void => {
    until.set(category, Math.max(until.get(category) ?? 0, to));
  };
  return {
    isLimited: (category, now) =>
      (until.get(everything) ?? 0) > now || (until.get(category) ?? 0) > now,
    learn: ({ status, rateLimits: header, retryAfter }, now) => {
      if (header !== undefined && header.trim() !== "") {
        for (const quota of header.split(",")) {
          const [seconds = "", categories = ""] = quota.trim().split(":");
          const to = now + secondsOf(seconds) * 1000;
          for (const category of categories.split(";")) limit(category.trim(), to);
        }
      } else if (status === 429) limit(everything, retryTime(retryAfter, now));
    },
  };
}

const secondsOf = (text: string): number =>
  /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : defaultSeconds;

/** `Retry-After` is a number of seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after). */
function retryTime(text: string | undefined, now: number): number {
  const date = text === undefined || /^\s*[\d.]+\s*$/.test(text) ? Number.NaN : Date.parse(text);
  return Number.isNaN(date) ? now + secondsOf(text ?? "") * 1000 : Math.max(date, now);
}

const categories: ReadonlyMap<string, Category> = new Map([
  ["event", "error"],
  ["transaction", "transaction"],
  ["session", "session"],
  ["sessions", "session"],
  ["attachment", "attachment"],
  ["client_report", "internal"],
  ["log", "log_item"],
  ["trace_metric", "trace_metric"],
  ["span", "span"],
  ["check_in", "monitor"],
  ["statsd", "metric_bucket"],
  ["metric_buckets", "metric_bucket"],
  ["profile", "profile"],
  ["profile_chunk", "profile_chunk"],
  ["replay_event", "replay"],
  ["replay_recording", "replay"],
  ["replay_video", "replay"],
  ["feedback", "feedback"],
]);

/** Category of an envelope item by its type. */
export const categoryOf = (type: string): Category => categories.get(type) ?? "default";
