// A Responses object in, the trimmed answer out: the one description of what POST /ask gives back (contract section 2). Reads
// loosely: unknown items, statuses and missing parts never fail.
import { depthWithin, isRecord, type JsonObject, parseJson, partsOf, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { type Usage, usageOf } from "../upstream/usage.ts";

export interface ToolCall {
  call_id: string;
  name: string;
  /** JSON as the model wrote it; never parsed here, it may be wrong. */
  arguments: string;
}

/** The body of a 200 on /ask. Keys after `usage` are there only when they say something. */
export interface Answer {
  id: string;
  previous_response_id: string | null;
  created_at: number;
  model: string;
  status: string;
  text: string;
  usage: Usage | null;
  data?: unknown;
  refusal?: string;
  tool_calls?: ToolCall[];
  citations?: JsonObject[];
  reasoning_summary?: string;
  incomplete_reason?: string;
  metadata?: Record<string, string>;
  cost_usd?: number;
  cached?: true;
}

/** What the Worker knows and the response object doesn't. */
export interface AnswerFacts {
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
  throw new Problem("upstream_error", "The model failed to answer. The call may have been paid; send it again only if you accept that.", {
    paid: "maybe",
    reason: "status failed",
  });
}

/** Of `data`. Deeper than any schema that a model is held to. */
const MAX_DATA_DEPTH = 256;

export function trim(response: JsonObject, facts: AnswerFacts): Answer {
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

export interface Said {
  text: string;
  refusal: string;
  reasoning: string;
  toolCalls: ToolCall[];
  citations: JsonObject[];
}

/** What a response's output says to the caller. */
export function readOutput(response: JsonObject): Said {
  const said: Said = { text: "", refusal: "", reasoning: "", toolCalls: [], citations: [] };
  const summaries: string[] = [];
  let messages = 0;
  for (const item of itemsOf(response)) {
    const type = item["type"];
    if (type === "message") {
      messages += 1;
      if (isAnswerMessage(item)) readMessage(item, said);
    } else if (type === "reasoning") {
      summaries.push(...partsOf(item["summary"]).map((part) => textOf(part["text"])));
    } else {
      const call = toolCallOf(item);
      if (call !== undefined) said.toolCalls.push(call);
    }
  }
  said.reasoning = summaries.filter((part) => part !== "").join(SUMMARY_SEPARATOR);
  // Some relays fill only the SDKs' shortcut; where messages exist it is ignored, since it comes empty beside real text.
  if (messages === 0) said.text = textOf(response["output_text"]);
  return said;
}

function readMessage(item: JsonObject, said: Said): void {
  // A plain string as content is what chat-shaped relays write.
  if (typeof item["content"] === "string") said.text += item["content"];
  for (const part of partsOf(item["content"])) {
    if (part["type"] === "refusal") said.refusal += textOf(part["refusal"]);
    if (part["type"] !== "output_text") continue;
    const offset = said.text.length;
    said.text += textOf(part["text"]);
    for (const citation of partsOf(part["annotations"])) said.citations.push(shifted(citation, offset));
  }
}

/** Offsets count UTF-16 units or code points as upstream counts them; only the distance to the joined text is ours to add. */
function shifted(citation: JsonObject, offset: number): JsonObject {
  if (offset === 0) return citation;
  const moved: JsonObject = { ...citation };
  for (const key of ["start_index", "end_index"]) {
    if (typeof moved[key] === "number") moved[key] += offset;
  }
  return moved;
}

/** Between the parts of a reasoning summary, in the answer and in the stream. */
export const SUMMARY_SEPARATOR = "\n\n";

/** Where messages carry a `phase`, only the final answer is text; "commentary" is thinking aloud. */
export function isAnswerMessage(item: JsonObject): boolean {
  const phase = item["phase"];
  return typeof phase !== "string" || phase === "final_answer";
}

/** A call that the caller must carry out, or undefined. A custom tool's free text stands in `arguments`. */
function toolCallOf(item: JsonObject): ToolCall | undefined {
  const type = item["type"];
  if (type !== "function_call" && type !== "custom_tool_call") return undefined;
  return {
    call_id: textOf(item["call_id"]) || textOf(item["id"]),
    name: textOf(item["name"]),
    arguments: jsonTextOf(type === "function_call" ? item["arguments"] : item["input"]),
  };
}

/** What the SDKs call `output_text`: every text of every message, whatever its phase. */
export function outputText(response: JsonObject): string {
  let text = "";
  for (const item of itemsOf(response)) {
    if (item["type"] !== "message") continue;
    for (const part of partsOf(item["content"])) if (part["type"] === "output_text") text += textOf(part["text"]);
  }
  return text;
}

/** Chat-shaped relays send the object itself. */
function jsonTextOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

export function itemsOf(response: JsonObject): JsonObject[] {
  return partsOf(response["output"]);
}

/** Models that take the schema as a wish wrap their JSON in a Markdown fence. */
function withoutFence(text: string): string {
  return /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/.exec(text)?.[1] ?? text;
}
