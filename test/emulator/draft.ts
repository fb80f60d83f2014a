// A draft is the model's output before it becomes a response: items, status, and reasoning tokens.
// Entries of the menu may change a draft. Apart from ids, the same conversation gives the same draft.
import { callableTools, characters, transcriptOf, type Transcript, type Item, answerText } from "./conversation.ts";
import { newCallId, newId } from "./ids.ts";
import { asArray, asObject, asObjects, asText, type JsonObject } from "./json.ts";
import { sample } from "./sample.ts";

export type Draft = {
  readonly id: string;
  readonly status: "completed" | "incomplete" | "failed";
  readonly incompleteReason?: string;
  readonly error?: JsonObject;
  readonly output: Item[];
  readonly reasoningTokens: number;
};

const CHARACTERS_PER_TOKEN = 4;
const REASONING_TOKENS: Record<string, number> = { none: 0, minimal: 0, low: 8, medium: 16 };
const REASONING_TOKENS_OF_HIGHER_EFFORTS = 32;
const SEARCH_PAGES = [
  { url: "https://example.com/first", title: "First Example" },
  { url: "https://example.com/second", title: "Second Example" },
];

export const tokensOf = (count: number): number => Math.ceil(count / CHARACTERS_PER_TOKEN);

export const outputTokens = (draft: Draft): number => draft.reasoningTokens + tokensOf(characters(draft.output));

export const outputText = (text: string, annotations: JsonObject[] = []): JsonObject => ({
  type: "output_text",
  annotations,
  logprobs: [],
  text,
});

export const message = (content: JsonObject[], phase = "final_answer"): Item => ({
  id: newId("msg"),
  type: "message",
  status: "completed",
  content,
  phase,
  role: "assistant",
});

/** The same draft with every text changed. Citations are removed, since their positions would be wrong. */
export function withText(draft: Draft, change: (text: string) => string): Draft {
  const output = draft.output.map((item) =>
    item["type"] === "message"
      ? {
          ...item,
          content: asObjects(item["content"]).map((part) => outputText(change(asText(part["text"]) ?? ""))),
        }
      : item,
  );
  return { ...draft, output };
}

export function draftOf(request: JsonObject, items: Item[]): Draft {
  const transcript = transcriptOf(items);
  const thinking = reasoning(request, transcript);
  // A question with the word "twice" takes two steps with functions.
  const steps = /\btwice\b/i.test(transcript.userTexts.at(-1) ?? "") ? 2 : 1;
  const tools = transcript.endsWithOutput && transcript.outputs.length >= steps ? [] : callableTools(request);
  const answer = tools.length > 0 ? functionCalls(request, tools, transcript) : textAnswer(request, transcript);
  return {
    id: newId("resp"),
    status: "completed",
    output: [...thinking.items, ...answer],
    reasoningTokens: thinking.tokens,
  };
}

function reasoning(request: JsonObject, transcript: Transcript): { items: Item[]; tokens: number } {
  const settings = asObject(request["reasoning"]);
  const effort = asText(settings?.["effort"]);
  const summary = asText(settings?.["summary"]) ?? asText(settings?.["generate_summary"]);
  const tokens =
    effort === undefined
      ? (summary && REASONING_TOKENS["medium"]) || 0
      : (REASONING_TOKENS[effort] ?? REASONING_TOKENS_OF_HIGHER_EFFORTS);
  if (tokens === 0 && summary === undefined) return { items: [], tokens: 0 };
  const parts = [
    `**Reading**\n\nThe user has spoken ${transcript.userTexts.length} times so far.`,
    "**Answering**\n\nI repeat the conversation, so that memory can be seen.",
  ].slice(0, summary === undefined ? 0 : summary === "detailed" ? 2 : 1);
  const item: Item = {
    id: newId("rs"),
    type: "reasoning",
    summary: parts.map((text) => ({ type: "summary_text", text })),
  };
  if (asArray(request["include"])?.includes("reasoning.encrypted_content")) {
    item["encrypted_content"] = btoa(`emulated reasoning over ${transcript.userTexts.length} messages`);
  }
  return { items: [item], tokens };
}

function functionCalls(request: JsonObject, tools: JsonObject[], transcript: Transcript): Item[] {
  const both = /\bboth\b/i.test(transcript.userTexts.at(-1) ?? "") && request["parallel_tool_calls"] !== false;
  return tools.slice(0, both ? 2 : 1).map((tool) => ({
    id: newId("fc"),
    type: "function_call",
    status: "completed",
    arguments: JSON.stringify(sample(tool["parameters"] ?? { type: "object" }, transcript.userTexts.at(-1) ?? "")),
    call_id: newCallId(),
    name: tool["name"] ?? "",
  }));
}

function textAnswer(request: JsonObject, transcript: Transcript): Item[] {
  const text = answerText(transcript, asText(request["instructions"]));
  const format = asObject(asObject(request["text"])?.["format"]);
  if (format?.["type"] === "json_schema") {
    return [message([outputText(JSON.stringify(sample(format["schema"], text)))])];
  }
  if (format?.["type"] === "json_object") {
    return [message([outputText(JSON.stringify({ answer: text }))])];
  }
  const search = asObjects(request["tools"]).some((tool) =>
    /^web_search(_preview)?(_\d{4}_\d{2}_\d{2}|_\d{4})?$/.test(asText(tool["type"]) ?? ""),
  );
  return search && request["tool_choice"] !== "none" ? searchAnswer(text, transcript) : [message([outputText(text)])];
}

// The citations come first. All characters before them are ASCII, so their positions are the same
// in bytes, UTF-16 units and code points.
function searchAnswer(text: string, transcript: Transcript): Item[] {
  let lead = "According to ";
  const annotations = SEARCH_PAGES.map(({ url, title }, index) => {
    if (index > 0) lead += " and ";
    const start_index = lead.length;
    lead += `[${title}](${url})`;
    return { type: "url_citation", end_index: lead.length, start_index, title, url };
  });
  const call: Item = {
    id: newId("ws"),
    type: "web_search_call",
    status: "completed",
    action: { type: "search", query: transcript.userTexts.at(-1) ?? "" },
  };
  return [call, message([outputText(`${lead}: ${text}`, annotations)])];
}

/** OpenAI counts reasoning against the limit, too, so a small limit may leave no room for text. */
export function limitTokens(draft: Draft, limit: number | undefined): Draft {
  if (limit === undefined || draft.status !== "completed" || outputTokens(draft) <= limit) {
    return draft;
  }
  const reasoningTokens = Math.min(draft.reasoningTokens, limit);
  let remaining = (limit - reasoningTokens) * CHARACTERS_PER_TOKEN;
  const cut = (text: string): string => {
    const part = text.slice(0, remaining).replace(/[\uD800-\uDBFF]$/, "");
    remaining -= part.length;
    return part;
  };
  const output = draft.output.flatMap((item): Item[] => {
    if (item["type"] !== "message" && item["type"] !== "function_call") return [item];
    if (remaining <= 0) return [];
    const before = characters([item]);
    const shortened =
      item["type"] === "message"
        ? { ...item, content: asObjects(item["content"]).map((part) => cutPart(part, cut)) }
        : { ...item, arguments: cut(asText(item["arguments"]) ?? "") };
    return [characters([shortened]) < before ? { ...shortened, status: "incomplete" } : shortened];
  });
  return {
    ...draft,
    status: "incomplete",
    incompleteReason: "max_output_tokens",
    output,
    reasoningTokens,
  };
}

function cutPart(part: JsonObject, cut: (text: string) => string): JsonObject {
  const text = cut(asText(part["text"]) ?? "");
  const annotations = asObjects(part["annotations"]).filter(
    (annotation) => Number(annotation["end_index"] ?? 0) <= text.length,
  );
  return outputText(text, annotations);
}
