// Trims a response object to the answer of POST /ask (docs/contract.md §2). Unknown items, unknown statuses and missing parts never cause
// an error.
import type { Answer } from "../../contract/answer.ts";
import { isWithinDepth, isRecord, type JsonObject, parseJson, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { unixSeconds } from "../lib/unix-seconds.ts";
import { usageOfResponse } from "../upstream/usage.ts";
import { readOutput } from "../upstream/output.ts";

/** The values of an answer that are not in the response object. */
export interface AnswerContext {
  id: string;
  previousId: string | null;
  /** Unix seconds, for a response without `created_at`. */
  now: number;
  /** The requested model, for a response without `model`. */
  model: string;
  /** Whether the request asked for a JSON format, so that the answer has `data`. */
  wantsData: boolean;
  /** The caller's own metadata, because upstream drops it for some models. */
  metadata?: Record<string, string> | undefined;
  /** In USD. */
  cost?: number | undefined;
  cached?: boolean;
}

/** Refuses a failed response, even if its HTTP status is 200. @throws Problem 502 upstream_error, maybe paid */
export function assertNotFailed(response: JsonObject): void {
  if (response["status"] !== "failed") return;
  throw new Problem(
    "upstream_error",
    "The model failed to answer. The call may have been billed; send it again only if you accept that.",
    {
      paid: "maybe",
      reason: "status failed",
    },
  );
}

/** No schema that upstream can enforce is deeper. */
const MAX_DATA_DEPTH = 256;

/** Trims a response. @returns the answer, without the optional keys that have no value */
export function trim(response: JsonObject, context: AnswerContext): Answer {
  const content = readOutput(response);
  const answer: Answer = {
    id: context.id,
    previous_response_id: context.previousId,
    created_at: unixSeconds(response["created_at"], context.now),
    model: textOf(response["model"]) || context.model,
    status: textOf(response["status"]) || "completed",
    text: content.text,
    usage: usageOfResponse(response),
  };
  if (context.wantsData) {
    const data = parseJson(withoutFence(content.text));
    // A model may nest its output arbitrarily deep. Data that is too deep could not be serialized again.
    if (data !== undefined && isWithinDepth(data, MAX_DATA_DEPTH)) answer.data = data;
  }
  if (content.refusal !== "") answer.refusal = content.refusal;
  if (content.toolCalls.length > 0) answer.tool_calls = content.toolCalls;
  if (content.citations.length > 0) answer.citations = content.citations;
  if (content.reasoning !== "") answer.reasoning_summary = content.reasoning;
  const details = response["incomplete_details"];
  if (isRecord(details) && textOf(details["reason"]) !== "") answer.incomplete_reason = textOf(details["reason"]);
  if (context.metadata !== undefined && Object.keys(context.metadata).length > 0) answer.metadata = context.metadata;
  if (context.cost !== undefined) answer.cost_usd = context.cost;
  if (context.cached === true) answer.cached = true;
  return answer;
}

const FENCE = "```";

/**
 * Returns the text inside a Markdown fence, in which models without strict schemas wrap their JSON. Scans the text once from each side,
 * because a regular expression takes time that is quadratic in the number of line breaks.
 */
function withoutFence(text: string): string {
  const fenced = text.trim();
  if (!fenced.startsWith(FENCE) || !fenced.endsWith(FENCE)) return text;
  const info = fenced.startsWith("json", FENCE.length) ? "json" : "";
  const afterInfo = fenced.slice(FENCE.length + info.length);
  const blankChars = afterInfo.length - afterInfo.trimStart().length;
  // Removes blank lines before the content, but not the content's indentation.
  const lineEnd = afterInfo.lastIndexOf("\n", blankChars - 1);
  const end = afterInfo.length - FENCE.length;
  if (lineEnd === -1 || lineEnd >= end) return text;
  const content = afterInfo.slice(lineEnd + 1, end);
  return content.endsWith("\n") ? content.slice(0, -1) : content;
}
