// What a caller meets for every fault on the emulator's menu, as a table: the tests of faults.test.ts and faults-once.test.ts are its
// cells, and docs/failures.md shows it (npm run failures).
import { MULTI_BYTE_TEXT } from "../emulator/content-faults.ts";

export const STATUS: Record<string, number> = {
  upstream_rate_limited: 429,
  upstream_error: 502,
  upstream_invalid_response: 502,
  upstream_unavailable: 503,
  upstream_timeout: 504,
};

export interface Refused {
  status: number;
  code: string;
  param?: string;
  /** `x-should-retry: false`. */
  final: boolean;
  retryAfter?: string;
}
/** A stream that fails after its first events; `said` if some of its text had come. */
export interface Fails {
  code: string;
  said: boolean;
}
export interface Row {
  /** The answer as it differs from an ordinary one; `text` gets what an ordinary answer would say. */
  answer?: (text: string) => Record<string, unknown>;
  refused?: Refused;
  /** What is different in a stream. */
  stream?: { refused: Refused } | { fails: Fails };
  calls?: number;
  /** Asked for as JSON only: as a stream it would take as many milliseconds as a stream has bytes. */
  long?: true;
}

const TEXT: Row = { answer: (text) => ({ text }) };
const refused = (given: Refused, stream?: Row["stream"]): Row => ({
  refused: given,
  ...(stream === undefined ? {} : { stream }),
});
const fails = (code: string, said: boolean): { fails: Fails } => ({ fails: { code, said } });

const AUTH: Refused = { status: 502, code: "upstream_auth", final: true };
const QUOTA: Refused = { status: 502, code: "upstream_quota", final: true };
const FAILED: Refused = { status: 502, code: "upstream_error", final: true };
const NO_ANSWER: Refused = { status: 502, code: "upstream_invalid_response", final: true };
const TIMEOUT: Refused = { status: 504, code: "upstream_timeout", final: true };
const AWAY: Refused = { status: 503, code: "upstream_unavailable", final: false };
const busy = (retryAfter: string): Refused => ({
  status: 429,
  code: "upstream_rate_limited",
  final: false,
  retryAfter,
});
const rejected = (code: string, param = ""): Refused => ({ status: 400, code, param, final: false });

/** By the name on the menu; a number after it is sent along. */
export const ROWS: Record<string, Row> = {
  text: TEXT,
  refusal: { answer: () => ({ text: "", refusal: "I can't help with that." }) },
  incomplete: {
    answer: (text) => ({
      text: text.slice(0, Math.ceil(text.length / 2)),
      status: "incomplete",
      incomplete_reason: "content_filter",
    }),
  },
  "reasoning-only": { answer: () => ({ text: "", status: "incomplete", incomplete_reason: "max_output_tokens" }) },
  failed: refused(FAILED, fails("upstream_error", false)),
  phases: TEXT,
  "two-messages": { answer: (text) => ({ text: `${text} And a second message.` }) },
  "unknown-items": TEXT,
  "long/300": { answer: () => ({ text: Array.from({ length: 300 }, (_, at) => `word${at + 1}`).join(" ") }) },
  "too-large/9000000": refused(NO_ANSWER, fails("upstream_invalid_response", false)),
  "chat-compat": TEXT,

  "400": refused(rejected("unsupported_parameter", "temperature")),
  "401": refused(AUTH),
  "401-exhausted": refused(AUTH),
  "401-quota": refused(AUTH),
  "401-vendor-key": refused(AUTH),
  "402": refused(QUOTA),
  "403": refused(QUOTA),
  "404-model": refused(rejected("model_not_found")),
  "413": refused(rejected("upstream_rejected")),
  "429": refused(busy("5")),
  "429-retry-after/1": { ...refused(busy("1")), calls: 2 },
  "429-retry-after/30": refused(busy("30")),
  "429-once": { ...TEXT, calls: 2 },
  "429-empty": refused(busy("5")),
  "429-quota": refused(QUOTA),
  "429-saturated": refused(busy("5")),
  "429-rate-limit": refused(busy("5")),
  "500": refused(FAILED),
  "502-html": refused(FAILED),
  "503": refused(AWAY),
  "503-once": { ...TEXT, calls: 2 },
  "503-times": refused(AWAY),
  "503-no-channel": refused(AWAY),
  "503-model-not-found": refused(AWAY),
  ...Object.fromEntries([520, 524, 527, 528, 529].map((status) => [String(status), refused(FAILED)])),
  ...Object.fromEntries([521, 522, 523, 525, 526, 530].map((status) => [String(status), refused(AWAY)])),
  status: refused(rejected("upstream_rejected")),
  "status/204": refused(NO_ANSWER),
  "status/409": refused(rejected("upstream_rejected")),
  redirect: refused({ ...NO_ANSWER, final: false }),

  "heartbeat/100": TEXT,
  "heartbeat-error": refused(busy("5")),
  "error-200": refused(busy("5")),
  "unknown-error-200": refused(FAILED),
  "not-json": refused(NO_ANSWER),

  "forgets-chain": TEXT,
  "forgets-chain-404": TEXT,
  "forgets-items": TEXT,
  "ignores-chain": TEXT,
  "ignores-chain-echoes": TEXT,
  "id-changes": TEXT,
  "no-id": TEXT,
  "long-id": TEXT,
  "uuid-id": TEXT,

  "error-event": refused(FAILED, fails("upstream_error", false)),
  "error-event-nested": refused(busy("5"), fails("upstream_rate_limited", false)),
  "output-text-empty": TEXT,
  "no-usage": { answer: (text) => ({ text, usage: null }) },
  "no-output-in-terminal": TEXT,
  "no-deltas": TEXT,

  "bare-json": { ...TEXT, stream: fails("upstream_error", true) },
  "no-event-lines": TEXT,
  comments: TEXT,
  done: TEXT,
  crlf: TEXT,
  "json-for-stream": TEXT,
  "sse-for-json": TEXT,
  gzip: TEXT,
  "bad-encoding": refused(NO_ANSWER),
  "invalid-utf8": refused(NO_ANSWER, fails("upstream_invalid_response", true)),
  unicode: { answer: (text) => ({ text: text + MULTI_BYTE_TEXT }) },
  splits: TEXT,
  "endless-event": refused(NO_ANSWER, fails("upstream_invalid_response", false)),

  cut: refused(FAILED, fails("upstream_error", true)),
  reset: refused(FAILED, fails("upstream_error", true)),
  "reset-before-headers": refused(FAILED),
  "first-byte/3000": refused(TIMEOUT),
  "slow/100": TEXT,
  stall: refused(TIMEOUT, fails("upstream_timeout", true)),
  // Takes longer than the idle deadline: any byte counts.
  "drip/1": { ...TEXT, long: true },
};

/** Rows that wait for a deadline: a Worker whose deadlines are short is asked. */
export const HURRIED = /^(?:first-byte|stall|drip)(?:\/|$)/;

export const FORMS = ["JSON", "events", "text"] as const;
export type Form = (typeof FORMS)[number];

/** What is different where upstream is asked for a stream. */
export function streamedOf({ stream, refused: all }: Row): { refused?: Refused; fails?: Fails } {
  return stream ?? (all === undefined ? {} : { refused: all });
}

/** Whether a failure may have been paid: then a flight keeps it. */
export function mayBePaid({ refused: all, fails: late }: ReturnType<typeof streamedOf>): boolean {
  const code = all?.code ?? late?.code ?? "";
  return /^upstream_(?:error|invalid_response|timeout)$/.test(code) && all?.final !== false;
}

/** The promise of one cell, which ends its test's name; undefined where nothing is promised. */
export function promiseOf(row: Row, form: Form): string | undefined {
  if (row.long === true && form !== "JSON") return undefined;
  const { refused: all, fails: late } =
    form === "JSON" ? { refused: row.refused } : { fails: undefined, ...streamedOf(row) };
  if (all !== undefined) return refusal(all);
  if (late === undefined) return row.calls === undefined ? "an answer" : "an answer, at the second try";
  if (form === "events") return `${late.said ? "text" : "no text"}, then an error event, ${late.code}`;
  return late.said ? "text, then a broken connection" : `${STATUS[late.code]} ${late.code}`;
}

/** The same for a request that is sent twice with one Idempotency-Key. */
export function promiseOnce(row: Row): string | undefined {
  if (row.long === true) return undefined;
  const streamed = streamedOf(row);
  if (streamed.refused === undefined && streamed.fails === undefined) return "one answer twice";
  return mayBePaid(streamed) ? "one failure, kept" : "asked anew";
}

export function refusal({ status, code, final, retryAfter }: Refused): string {
  return `${status} ${code}${final ? ", final" : ""}${retryAfter === undefined ? "" : `, Retry-After: ${retryAfter}`}`;
}
