// A Responses object in, the trimmed answer out: the one description of what POST /ask gives back (contract section 2). Reads
// loosely: unknown items, statuses and missing parts never fail.
import type { Answer } from "../../contract/answer.ts";
import { depthWithin, isRecord, type JsonObject, parseJson, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { usageOf } from "../upstream/usage.ts";
import { readOutput } from "../upstream/output.ts";

/** What the Worker knows and the response object doesn't. */
export interface AnswerContext {
  id: string;
  previousId: string | null;
  /** Unix seconds, for a response that has no `created_at`. */
  now: number;
  /** The model that was asked, where the answer names none. */
  model: string;
  /** A JSON format was asked for: the answer has `data`. */
  wantsData: boolean;
  /** The caller's own metadata: upstream drops it for some models. */
  metadata?: Record<string, string> | undefined;
  cost?: number | undefined;
  cached?: boolean;
}

/** A response that failed is no answer, though upstream sent it with status 200. @throws Problem */
export function assertNotFailed(response: JsonObject): void {
  if (response["status"] !== "failed") return;
  throw new Problem(
    "upstream_error",
    "The model failed to answer. The call may have been paid; send it again only if you accept that.",
    {
      paid: "maybe",
      reason: "status failed",
    },
  );
}

/** Of `data`. Deeper than any schema that a model is held to. */
const MAX_DATA_DEPTH = 256;

export function trim(response: JsonObject, facts: AnswerContext): Answer {
  const said = readOutput(response);
  const answer: Answer = {
    id: facts.id,
    previous_response_id: facts.previousId,
    created_at: Number.isFinite(response["created_at"]) ? Math.floor(Number(response["created_at"])) : facts.now,
    model: textOf(response["model"]) || facts.model,
    status: textOf(response["status"]) || "completed",
    text: said.text,
    usage: usageOf(response["usage"]),
  };
  if (facts.wantsData) {
    const data = parseJson(withoutFence(said.text));
    // What nobody could print again is no data: a model may nest without end.
    if (data !== undefined && depthWithin(data, MAX_DATA_DEPTH)) answer.data = data;
  }
  if (said.refusal !== "") answer.refusal = said.refusal;
  if (said.toolCalls.length > 0) answer.tool_calls = said.toolCalls;
  if (said.citations.length > 0) answer.citations = said.citations;
  if (said.reasoning !== "") answer.reasoning_summary = said.reasoning;
  const details = response["incomplete_details"];
  if (isRecord(details) && textOf(details["reason"]) !== "") answer.incomplete_reason = textOf(details["reason"]);
  if (facts.metadata !== undefined && Object.keys(facts.metadata).length > 0) answer.metadata = facts.metadata;
  if (facts.cost !== undefined) answer.cost_usd = facts.cost;
  if (facts.cached === true) answer.cached = true;
  return answer;
}

/** Models that take the schema as a wish wrap their JSON in a Markdown fence. */
function withoutFence(text: string): string {
  return /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/.exec(text)?.[1] ?? text;
}
