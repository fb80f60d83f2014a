// The fault table of /v1/responses: the rows of /ask with their differences (docs/contract.md §3 and §8). The Worker doesn't retry, since
// SDKs do. A stream that fails sends an `error` event and `response.failed`, and then breaks its connection.
import { mayBePaid, type Refused, describeRefusal, type Row, ROWS, streamOutcome } from "./fault-table.ts";

export const RESPONSES_FORMS = ["JSON", "stream"] as const;
export type ResponsesForm = (typeof RESPONSES_FORMS)[number];

export interface ResponsesRow extends Row {
  /** The first request is refused with a Retry-After, which the caller has to obey. The second one gets the row's answer. */
  once?: Refused;
}

/** `text` is the `output_text` of SDKs: the text of all messages, regardless of their phase. */
export function responsesRow(name: string, given: Row): ResponsesRow {
  const { refused } = given;
  // OpenAI's status for an exhausted account.
  const row = refused?.code === "upstream_quota" ? { ...given, refused: { ...refused, status: 429 } } : given;
  if (name === "phases") return { answer: (text) => ({ text: `Let me look at the conversation. ${text}` }) };
  if (row.calls === undefined) return row;
  const { calls: _, ...once } = row;
  if (row.refused !== undefined) return once;
  const busy = name.startsWith("429")
    ? { status: 429, code: "upstream_rate_limited" }
    : { status: 503, code: "upstream_unavailable" };
  return { ...once, once: { ...busy, final: false, retryAfter: "1" } };
}

/** OpenAI's `type` and `code` for our code, which is in `detail_code` there. Other 400s have their own code. */
export function openAiPair(ours: string): readonly [type: string, code: string] {
  const pairs: Record<string, readonly [string, string]> = {
    upstream_rate_limited: ["rate_limit_error", "rate_limit_exceeded"],
    upstream_quota: ["insufficient_quota", "insufficient_quota"],
    upstream_unavailable: ["service_unavailable_error", "server_is_overloaded"],
  };
  const isFailure = /^upstream_(?:auth|error|invalid_response|timeout)$/.test(ours);
  return pairs[ours] ?? (isFailure ? ["server_error", "server_error"] : ["invalid_request_error", ours]);
}

export const RESPONSES_ROWS: Record<string, ResponsesRow> = Object.fromEntries(
  Object.entries(ROWS).map(([name, row]) => [name, responsesRow(name, row)]),
);

/** The outcome of the first request. */
export function firstOutcome({ once, ...row }: ResponsesRow, form: ResponsesForm): ReturnType<typeof streamOutcome> {
  if (once !== undefined) return { refused: once };
  return form === "stream" ? streamOutcome(row) : row.refused === undefined ? {} : { refused: row.refused };
}

/** The text of one cell. Undefined if the cell is not tested. */
export function responsesPromiseOf(row: ResponsesRow, form: ResponsesForm): string | undefined {
  if (row.jsonOnly === true && form === "stream") return undefined;
  const { refused, fails } = firstOutcome(row, form);
  if (refused !== undefined) return describeRefusal(refused);
  if (fails !== undefined)
    return `${fails.textFirst ? "text" : "no text"}, then an error event, ${fails.code}, and a broken connection`;
  return row.mayFail === true ? "an answer or an error" : "an answer";
}

/** The text of the cell for a request that is sent twice with one Idempotency-Key. */
export function responsesPromiseOnce(row: ResponsesRow): string | undefined {
  if (row.jsonOnly === true || row.mayFail === true) return undefined;
  if (row.once !== undefined) return "a call for each, the second answered";
  const streamed = streamOutcome(row);
  if (streamed.refused === undefined && streamed.fails === undefined) return "one answer twice";
  return mayBePaid(streamed) ? "one failure, stored" : "a call for each";
}
