// Reads the output of a response object: text, refusal, reasoning summary, tool calls and citations. Unknown items, unknown statuses and
// missing parts never cause an error.
import type { ToolCall } from "../../contract/answer.ts";
import { type JsonObject, recordsOf, textOf } from "../lib/json.ts";

/** Keys of an item that only the backend that made it understands, or that only an output has. OpenAI's own SDK adds the last two. */
export const VENDOR_KEYS: readonly string[] = ["id", "status", "created_by", "caller", "parsed_arguments", "parsed"];

export interface OutputContent {
  text: string;
  refusal: string;
  reasoning: string;
  toolCalls: ToolCall[];
  citations: JsonObject[];
}

/** Collects the output that an answer can show. */
export function readOutput(response: JsonObject): OutputContent {
  const content: OutputContent = { text: "", refusal: "", reasoning: "", toolCalls: [], citations: [] };
  const summaries: string[] = [];
  let messages = 0;
  for (const item of itemsOf(response)) {
    const type = item["type"];
    if (type === "message") {
      messages += 1;
      if (isAnswerMessage(item)) addMessage(item, content);
    } else if (type === "reasoning") {
      summaries.push(...recordsOf(item["summary"]).map((part) => textOf(part["text"])));
    } else {
      const call = toolCallOf(item);
      if (call !== undefined) content.toolCalls.push(call);
    }
  }
  content.reasoning = summaries.filter((part) => part !== "").join(SUMMARY_SEPARATOR);
  // Some relays fill only `output_text`, the SDKs' shortcut. If there are messages, it is ignored: it may be empty although they have text.
  if (messages === 0) content.text = textOf(response["output_text"]);
  return content;
}

/** Adds the content of a message. The indexes of its citations are shifted by the length of the text so far. */
export function addMessage(item: JsonObject, content: OutputContent): void {
  // Relays that convert from the chat API write the content as a plain string.
  if (typeof item["content"] === "string") content.text += item["content"];
  for (const part of recordsOf(item["content"])) {
    if (part["type"] === "refusal") content.refusal += textOf(part["refusal"]);
    if (part["type"] !== "output_text") continue;
    const offset = content.text.length;
    content.text += textOf(part["text"]);
    for (const citation of recordsOf(part["annotations"])) content.citations.push(shiftIndexes(citation, offset));
  }
}

/** Adds `offset` to a citation's indexes, which count from the start of its own part. */
export function shiftIndexes(citation: JsonObject, offset: number): JsonObject {
  if (offset === 0) return citation;
  const shifted: JsonObject = { ...citation };
  for (const key of ["start_index", "end_index"]) {
    if (typeof shifted[key] === "number") shifted[key] += offset;
  }
  return shifted;
}

/** Separates the parts of a reasoning summary. */
export const SUMMARY_SEPARATOR = "\n\n";

/** Whether a message belongs to the final answer; if not, it is commentary that precedes it. */
export function isAnswerMessage(item: JsonObject): boolean {
  const phase = item["phase"];
  return textOf(phase) === "" || phase === "final_answer";
}

/** @returns undefined if the item is not a call of a function or of a custom tool */
export function toolCallOf(item: JsonObject): ToolCall | undefined {
  const type = item["type"];
  if (type !== "function_call" && type !== "custom_tool_call") return undefined;
  return {
    call_id: textOf(item["call_id"]) || textOf(item["id"]),
    name: textOf(item["name"]),
    arguments: jsonTextOf(type === "function_call" ? item["arguments"] : item["input"]),
  };
}

/** Computes `output_text` as the SDKs do: the text of all messages, including commentary. */
export function outputText(response: JsonObject): string {
  let text = "";
  for (const item of itemsOf(response)) {
    if (item["type"] !== "message") continue;
    for (const part of recordsOf(item["content"])) if (part["type"] === "output_text") text += textOf(part["text"]);
  }
  return text;
}

/** Serializes a value as JSON. Null and undefined become "". A string is returned unchanged: it is JSON, or a custom tool's free text. */
export function jsonTextOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

export function itemsOf(response: JsonObject): JsonObject[] {
  return recordsOf(response["output"]);
}
