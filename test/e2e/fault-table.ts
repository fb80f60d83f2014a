// The response of POST /ask to every fault on the emulator's menu, as a table. faults.test.ts and faults-once.test.ts test its cells, and
// docs/failures.md shows it (npm run failures).
import { BIG_INTEGER, EVERYTHING, MULTI_BYTE_TEXT } from "../emulator/content-faults.ts";

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
/** A stream that fails after its first events. `textFirst`: it has sent text before. */
export interface Fails {
  code: string;
  textFirst: boolean;
}
export interface Row {
  /** The fields that differ from an ordinary answer. `text` is the text of an ordinary answer. */
  answer?: (text: string) => Record<string, unknown>;
  refused?: Refused;
  /** The outcome of a stream, where it differs. */
  stream?: { refused: Refused } | { fails: Fails };
  calls?: number;
  /** Tested as JSON only: a stream would take one millisecond per byte. */
  jsonOnly?: true;
  /** What is missing can't be known, so an error is right, too. A wrong answer is not. */
  mayFail?: true;
}

const TEXT: Row = { answer: (text) => ({ text }) };
/** Any text but the empty one. */
export const ANY_TEXT: unknown = {
  asymmetricMatch: (value: unknown): boolean => typeof value === "string" && value !== "",
};
/** The answer of `emulate/everything`, which most faults leave whole. */
export const WHOLE: Row = {
  answer: (text) => ({
    text,
    tool_calls: [{ call_id: ANY_TEXT, name: EVERYTHING.tool, arguments: EVERYTHING.arguments }],
    citations: [{ type: "url_citation", ...EVERYTHING.page, start_index: 0, end_index: 3 }],
    reasoning_summary: EVERYTHING.summary.join("\n\n"),
  }),
};
export const REASONS: Row = {
  answer: (text) => ({ text, reasoning_summary: "**Reading**\n\nI always reason before I answer." }),
};
export const refuses = (refused: Refused, stream?: Row["stream"]): Row => ({
  refused,
  ...(stream === undefined ? {} : { stream }),
});
export const fails = (code: string, textFirst: boolean): { fails: Fails } => ({ fails: { code, textFirst } });

const AUTH: Refused = { status: 502, code: "upstream_auth", final: true };
export const QUOTA: Refused = { status: 502, code: "upstream_quota", final: true };
export const FAILED: Refused = { status: 502, code: "upstream_error", final: true };
export const NO_ANSWER: Refused = { status: 502, code: "upstream_invalid_response", final: true };
const TIMEOUT: Refused = { status: 504, code: "upstream_timeout", final: true };
const UNAVAILABLE: Refused = { status: 503, code: "upstream_unavailable", final: false };
export const busy = (retryAfter: string): Refused => ({
  status: 429,
  code: "upstream_rate_limited",
  final: false,
  retryAfter,
});
export const rejection = (code: string, param = ""): Refused => ({ status: 400, code, param, final: false });

/** By name on the menu, with an optional number. */
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
  failed: refuses(FAILED),
  phases: TEXT,
  "two-messages": { answer: (text) => ({ text: `${text} And a second message.` }) },
  "unknown-items": TEXT,
  everything: WHOLE,
  reasons: REASONS,
  "asks-approval": { answer: () => ({ text: "" }) },
  "big-integers": {
    answer: () => ({
      text: `{"id":${BIG_INTEGER}}`,
      tool_calls: [{ call_id: ANY_TEXT, name: EVERYTHING.tool, arguments: `{"id":${BIG_INTEGER}}` }],
    }),
  },
  "long/300": { answer: () => ({ text: Array.from({ length: 300 }, (_, at) => `word${at + 1}`).join(" ") }) },
  "too-large/9000000": refuses(NO_ANSWER, fails("upstream_invalid_response", false)),
  "chat-compat": TEXT,

  "400": refuses(rejection("unsupported_parameter", "temperature")),
  "401": refuses(AUTH),
  "401-exhausted": refuses(AUTH),
  "401-quota": refuses(AUTH),
  "401-vendor-key": refuses(AUTH),
  "402": refuses(QUOTA),
  "403": refuses(QUOTA),
  "404-model": refuses(rejection("model_not_found")),
  "413": refuses(rejection("upstream_rejected")),
  "429": refuses(busy("5")),
  "429-retry-after/1": { ...refuses(busy("1")), calls: 2 },
  "429-retry-after/30": refuses(busy("30")),
  "429-once": { ...TEXT, calls: 2 },
  "429-empty": refuses(busy("5")),
  "429-quota": refuses(QUOTA),
  "429-saturated": refuses(busy("5")),
  "429-rate-limit": refuses(busy("2")),
  "500": refuses(FAILED),
  "502-html": refuses(FAILED),
  "503": refuses(UNAVAILABLE),
  "503-once": { ...TEXT, calls: 2 },
  "503-times": refuses(UNAVAILABLE),
  "503-no-channel": refuses(UNAVAILABLE),
  "503-model-not-found": refuses(UNAVAILABLE),
  ...Object.fromEntries([520, 524, 527, 528, 529].map((status) => [String(status), refuses(FAILED)])),
  ...Object.fromEntries([521, 522, 523, 525, 526, 530].map((status) => [String(status), refuses(UNAVAILABLE)])),
  status: refuses(rejection("upstream_rejected")),
  "status/204": refuses(NO_ANSWER),
  "status/409": refuses(rejection("upstream_rejected")),
  "status/408": refuses(TIMEOUT),
  "status/425": refuses(TIMEOUT),
  "status/499": refuses(TIMEOUT),
  redirect: refuses({ ...NO_ANSWER, final: false }),

  "heartbeat/100": TEXT,
  "heartbeat-error": refuses(busy("5")),
  "error-200": refuses(busy("5")),
  "unknown-error-200": refuses(FAILED),
  // Its chunks are dropped, so the stream ends without an answer.
  "chat-completion": refuses(NO_ANSWER, { refused: FAILED }),
  "not-json": refuses(NO_ANSWER),
  "rate-limit-as-error-in-failed": refuses(busy("8")),
  "quota-as-error-in-event": refuses(QUOTA),
  "context-as-error-in-failed": refuses(rejection("context_length_exceeded", "input")),
  "bad-field-as-detail": refuses(rejection("upstream_rejected")),

  "forgets-chain": TEXT,
  "forgets-items": REASONS,
  "shares-nothing": REASONS,
  "ignores-chain": TEXT,
  "ignores-chain-echoes": TEXT,
  "id-changes": TEXT,
  "no-id": TEXT,
  "long-id": TEXT,
  "uuid-id": TEXT,

  "error-event": refuses(FAILED),
  "error-event-nested": refuses(busy("5")),
  "output-text-empty": TEXT,
  "no-usage": { answer: (text) => ({ text, usage: null }) },
  "no-output-in-terminal": TEXT,
  "no-deltas": TEXT,
  "everything+all-hollow": WHOLE,
  "everything+without-output_item.done+no-output-in-terminal": WHOLE,
  "everything+whole-added": WHOLE,
  "reasons+only-deltas": REASONS,
  "everything+cumulative-deltas": { ...WHOLE, mayFail: true },
  "everything+deltas-as-objects": WHOLE,
  "output-text-only": TEXT,
  "everything+no-indexes": WHOLE,
  "reasons+all-index-0": REASONS,
  // The two parts of its summary have one index.
  "everything+all-index-0": { ...WHOLE, mayFail: true },
  "everything+indexes-as-texts": WHOLE,
  "everything+indexes-with-gaps": WHOLE,
  "everything+no-item-ids": WHOLE,
  "everything+item-ids-change": WHOLE,
  "everything+keepalives": WHOLE,
  "everything+chat-chunks-inside": WHOLE,
  "everything+stray-json": WHOLE,

  "bare-json": { ...TEXT, stream: fails("upstream_error", true) },
  "no-event-lines": TEXT,
  comments: TEXT,
  done: TEXT,
  crlf: TEXT,
  "json-for-stream": TEXT,
  "sse-for-json": TEXT,
  gzip: TEXT,
  "bad-encoding": refuses(NO_ANSWER),
  "invalid-utf8": refuses(NO_ANSWER, fails("upstream_invalid_response", true)),
  unicode: { answer: (text) => ({ text: text + MULTI_BYTE_TEXT }) },
  "split-surrogates": { answer: (text) => ({ text: text + MULTI_BYTE_TEXT }) },
  "split-surrogates+everything": { answer: (text) => ({ ...WHOLE.answer?.(text), text: text + MULTI_BYTE_TEXT }) },
  splits: TEXT,
  "endless-event": refuses(NO_ANSWER),

  cut: refuses(FAILED, fails("upstream_error", true)),
  reset: refuses(FAILED, fails("upstream_error", true)),
  "reset-before-headers": refuses(FAILED),
  "first-byte/3000": refuses(TIMEOUT),
  "slow/100": TEXT,
  stall: refuses(TIMEOUT, fails("upstream_timeout", true)),
  // Takes longer than the idle deadline, since every byte restarts it.
  "drip/1": { ...TEXT, jsonOnly: true },
};

/** Rows that wait for a deadline. A Worker with short deadlines runs them. */
export const NEEDS_SHORT_DEADLINES = /^(?:first-byte|stall|drip)(?:\/|$)/;

export const FORMS = ["JSON", "events", "text"] as const;
export type Form = (typeof FORMS)[number];

/** The outcome when the Worker requests a stream from upstream. */
export function streamOutcome({ stream, refused: all }: Row): { refused?: Refused; fails?: Fails } {
  return stream ?? (all === undefined ? {} : { refused: all });
}

/** Whether a failure may have been paid. A run stores such a failure. */
export function mayBePaid({ refused: all, fails: late }: ReturnType<typeof streamOutcome>): boolean {
  if (late?.textFirst === true) return true;
  const code = all?.code ?? late?.code ?? "";
  return /^upstream_(?:error|invalid_response|timeout)$/.test(code) && all?.final !== false;
}

/** The text of one cell, which also ends the test's name. Undefined if the cell is not tested. */
export function promiseOf(row: Row, form: Form): string | undefined {
  if (row.jsonOnly === true && form !== "JSON") return undefined;
  const { refused: all, fails: late } =
    form === "JSON" ? { refused: row.refused } : { fails: undefined, ...streamOutcome(row) };
  if (all !== undefined) return describeRefusal(all);
  if (late === undefined && row.mayFail === true) return "an answer or an error";
  if (late === undefined) return row.calls === undefined ? "an answer" : "an answer, after a second call";
  if (form === "events") return `${late.textFirst ? "text" : "no text"}, then an error event, ${late.code}`;
  return late.textFirst ? "text, then a broken connection" : `${STATUS[late.code]} ${late.code}`;
}

/** The text of the cell for a request that is sent twice with one Idempotency-Key. */
export function promiseOnce(row: Row): string | undefined {
  if (row.jsonOnly === true || row.mayFail === true) return undefined;
  const streamed = streamOutcome(row);
  if (streamed.refused === undefined && streamed.fails === undefined) return "one answer twice";
  return mayBePaid(streamed) ? "one failure, stored" : "a call for each";
}

export function describeRefusal({ status, code, final, retryAfter }: Refused): string {
  return `${status} ${code}${final ? ", final" : ""}${retryAfter === undefined ? "" : `, Retry-After: ${retryAfter}`}`;
}
