// The fault table as /v1/responses has it: what differs from /ask (contract sections 3 and 8). The Worker never tries again by itself, since
// SDKs do; a response that failed is an object; a stream that breaks says so in an `error` event and then breaks its connection.
import { mayBePaid, type Refused, refusal, type Row, ROWS, streamedOf } from "./fault-table.ts";

export const RESPONSES_FORMS = ["JSON", "stream"] as const;
export type ResponsesForm = (typeof RESPONSES_FORMS)[number];

export interface ResponsesRow extends Row {
  /** Refused once, with a Retry-After that is the caller's to obey; then this is the answer. */
  once?: Refused;
}

/** `text` is what SDKs show of all messages, whatever their phase. */
function differing(name: string, row: Row): ResponsesRow {
  if (name === "failed") return { answer: () => ({ text: "", status: "failed", usage: null }) };
  if (name === "phases") return { answer: (text) => ({ text: `Let me look at what was said. ${text}` }) };
  if (row.calls === undefined) return row;
  const { calls: _, ...alone } = row;
  if (row.refused !== undefined) return alone;
  const busy = name.startsWith("429")
    ? { status: 429, code: "upstream_rate_limited" }
    : { status: 503, code: "upstream_unavailable" };
  return { ...alone, once: { ...busy, final: false, retryAfter: "1" } };
}

export const RESPONSES_ROWS: Record<string, ResponsesRow> = Object.fromEntries(
  Object.entries(ROWS).map(([name, row]) => [name, differing(name, row)]),
);

/** As it is asked for the first time. */
export function firstOf({ once, ...row }: ResponsesRow, form: ResponsesForm): ReturnType<typeof streamedOf> {
  if (once !== undefined) return { refused: once };
  return form === "stream" ? streamedOf(row) : row.refused === undefined ? {} : { refused: row.refused };
}

/** The promise of one cell; undefined where nothing is promised. */
export function responsesPromiseOf(row: ResponsesRow, form: ResponsesForm): string | undefined {
  if (row.long === true && form === "stream") return undefined;
  const { refused, fails } = firstOf(row, form);
  if (refused !== undefined) return refusal(refused);
  if (fails !== undefined)
    return `${fails.said ? "text" : "no text"}, then an error event, ${fails.code}, and a broken connection`;
  return row.answer?.("")["status"] === "failed" ? "an object of status failed" : "an answer";
}

/** The same for a request that is sent twice with one Idempotency-Key. */
export function responsesPromiseOnce(row: ResponsesRow): string | undefined {
  if (row.long === true) return undefined;
  if (row.once !== undefined) return "asked anew, and answered";
  const streamed = streamedOf(row);
  if (streamed.refused === undefined && streamed.fails === undefined) return "one answer twice";
  return mayBePaid(streamed) ? "one failure, kept" : "asked anew";
}
