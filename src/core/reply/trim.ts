// Trims a response object to the answer of POST /ask (docs/contract.md §2). Reads loosely: unknown items, unknown statuses and missing
// parts never fail.
import type { Answer } from "../../contract/answer.ts";
import { isWithinDepth, isRecord, type JsonObject, parseJson, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { usageOf } from "../upstream/usage.ts";
import { readOutput } from "../upstream/output.ts";

/** The part of an answer that is not in the response object. */
export interface AnswerContext {
  id: string;
  previousId: string | null;
  /** Unix seconds, for a response without `created_at`. */
  now: number;
  /** The requested model, for a response that names none. */
  model: string;
  /** The request asked for a JSON format: the answer has `data`. */
  wantsData: boolean;
  /** The caller's own metadata: upstream drops it for some models. */
  metadata?: Record<string, string> | undefined;
  /** USD. */
  cost?: number | undefined;
  cached?: boolean;
}

/** A failed response is no answer, even with HTTP status 200. @throws Problem 502 upstream_error, maybe paid */
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

/** Deeper than any schema that a model can be held to. */
const MAX_DATA_DEPTH = 256;

/** @returns the answer of POST /ask; keys without a value are absent */
export function trim(response: JsonObject, context: AnswerContext): Answer {
  const content = readOutput(response);
  const answer: Answer = {
    id: context.id,
    previous_response_id: context.previousId,
    created_at: Number.isFinite(response["created_at"]) ? Math.floor(Number(response["created_at"])) : context.now,
    model: textOf(response["model"]) || context.model,
    status: textOf(response["status"]) || "completed",
    text: content.text,
    usage: usageOf(response["usage"]),
  };
  if (context.wantsData) {
    const data = parseJson(withoutFence(content.text));
    // A model may nest without end, and such data could not be serialized again.
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
 * The text inside a Markdown fence: models without strict schemas wrap their JSON in one. Reads the text once from each side, since a
 * regular expression for it takes time that is quadratic in line breaks.
 */
function withoutFence(text: string): string {
  const fenced = text.trim();
  if (!fenced.startsWith(FENCE) || !fenced.endsWith(FENCE)) return text;
  const info = fenced.startsWith("json", FENCE.length) ? "json" : "";
  const afterInfo = fenced.slice(FENCE.length + info.length);
  const blankChars = afterInfo.length - afterInfo.trimStart().length;
  // Blank lines before the content are removed, its indentation is not.
  const lineEnd = afterInfo.lastIndexOf("\n", blankChars - 1);
  const end = afterInfo.length - FENCE.length;
  if (lineEnd === -1 || lineEnd >= end) return text;
  const content = afterInfo.slice(lineEnd + 1, end);
  return content.endsWith("\n") ? content.slice(0, -1) : content;
}
