// What the output of a Responses object says: text, refusal, reasoning summary, tool calls, citations. Reads loosely: unknown items,
// statuses and missing parts never fail.
import type { ToolCall } from "../../contract/answer.ts";
import { type JsonObject, partsOf, textOf } from "../lib/json.ts";

export interface OutputContent {
  text: string;
  refusal: string;
  reasoning: string;
  toolCalls: ToolCall[];
  citations: JsonObject[];
}

export function readOutput(response: JsonObject): OutputContent {
  const said: OutputContent = { text: "", refusal: "", reasoning: "", toolCalls: [], citations: [] };
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

export function readMessage(item: JsonObject, said: OutputContent): void {
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

export function shifted(citation: JsonObject, offset: number): JsonObject {
  if (offset === 0) return citation;
  const moved: JsonObject = { ...citation };
  for (const key of ["start_index", "end_index"]) {
    if (typeof moved[key] === "number") moved[key] += offset;
  }
  return moved;
}

export const SUMMARY_SEPARATOR = "\n\n";

export function isAnswerMessage(item: JsonObject): boolean {
  const phase = item["phase"];
  return typeof phase !== "string" || phase === "final_answer";
}

export function toolCallOf(item: JsonObject): ToolCall | undefined {
  const type = item["type"];
  if (type !== "function_call" && type !== "custom_tool_call") return undefined;
  return {
    call_id: textOf(item["call_id"]) || textOf(item["id"]),
    name: textOf(item["name"]),
    arguments: jsonTextOf(type === "function_call" ? item["arguments"] : item["input"]),
  };
}

export function outputText(response: JsonObject): string {
  let text = "";
  for (const item of itemsOf(response)) {
    if (item["type"] !== "message") continue;
    for (const part of partsOf(item["content"])) if (part["type"] === "output_text") text += textOf(part["text"]);
  }
  return text;
}

export function jsonTextOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

export function itemsOf(response: JsonObject): JsonObject[] {
  return partsOf(response["output"]);
}
