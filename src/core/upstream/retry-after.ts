// Reads how long upstream asks to wait, from the headers or the message of a refusal.

const PLAIN_NUMBER = /^\s*\d{1,9}(?:\.\d+)?\s*$/;
/** A longer wait in a message is reduced to a day. */
const MAX_MESSAGE_WAIT_S = 86_400;

/**
 * Reads `retry-after-ms`, or else `Retry-After` (RFC 9110: seconds or a date).
 * @returns whole seconds, at least 1; undefined if the header is missing or malformed
 */
export function retryAfterSeconds(headers: Headers, nowMs: number): number | undefined {
  const ms = headers.get("retry-after-ms");
  if (ms !== null && PLAIN_NUMBER.test(ms)) return Math.max(1, Math.ceil(Number(ms) / 1_000));
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  if (PLAIN_NUMBER.test(value)) return Math.max(1, Math.ceil(Number(value)));
  // Every form of an HTTP date begins with the name of a day. Date.parse accepts other strings, and would read "-5" as a year.
  const seconds = /^\s*[A-Za-z]/.test(value) ? (Date.parse(value) - nowMs) / 1_000 : Number.NaN;
  return Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : undefined;
}

/** One to four numbers with units, such as `1m30s`. Every repetition is bounded, so the search takes linear time. */
const DURATION = String.raw`((?:\d{1,9}(?:\.\d{1,9})?\s?[a-z\u4e00-\u9fff]{0,12}[\s,]{0,2}(?:and )?){1,4})`;
/** "try again in 1.1s", "retry after 20 seconds", "wait 500ms", "resets in 1m30s", "Retry-After: 20". */
const ENGLISH_WAIT = new RegExp(
  String.raw`\b(?:again|retry(?:ing)?|wait|resets?)(?:[-_ ]after)?\b(?:[^\d\n]{0,24}\b(?:in|after|for|within)\b)?[^\w\n]{0,3}(?:about |around |approximately |at least |up to )?${DURATION}`,
  "i",
);
/** "in 500ms". Without a word such as "retry", only a short unit counts: "100 requests in 24 hours" is not a wait. */
const SHORT_WAIT = /\b(?:in|after) (\d{1,9}(?:\.\d{1,9})?\s?(?:ms|milliseconds?|s|secs?|seconds?))\b/i;
/** "20秒后重试": in 20 seconds. */
const CHINESE_WAIT = /(\d{1,9}(?:\.\d{1,9})?\s?(?:毫秒|秒|分|小时|ms|s|m|h))钟?[之以]?后/i;

const UNITS_MS: readonly (readonly [form: RegExp, ms: number])[] = [
  [/^(?:ms|msecs?|milliseconds?|毫秒)$/, 1],
  [/^(?:|s|secs?|seconds?|秒)$/, 1_000],
  [/^(?:m|mins?|minutes?|分)$/, 60_000],
  [/^(?:h|hrs?|hours?|小时)$/, 3_600_000],
  [/^(?:d|days?)$/, 86_400_000],
];

/**
 * Reads the wait that a message asks for, such as "Please try again in 1.1s".
 * @returns whole seconds, from 1 to 86,400; undefined if the message does not name a wait
 */
export function retryAfterInMessage(message: string): number | undefined {
  const duration = [ENGLISH_WAIT, SHORT_WAIT, CHINESE_WAIT].map((form) => form.exec(message)?.[1]).find(Boolean);
  if (duration === undefined) return undefined;
  let ms = 0;
  for (const [at, part] of [...duration.matchAll(/(\d+(?:\.\d+)?)\s?([a-z\u4e00-\u9fff]*)/gi)].entries()) {
    const unit = UNITS_MS.find(([form]) => form.test((part[2] ?? "").toLowerCase()))?.[1];
    // A word that is not a unit ends the duration.
    if (unit === undefined && at > 0) break;
    if (unit === undefined) return undefined;
    ms += Number(part[1]) * unit;
  }
  return Math.min(Math.max(1, Math.ceil(ms / 1_000)), MAX_MESSAGE_WAIT_S);
}
