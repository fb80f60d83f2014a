// A draft is what the model made of a request: output items, how it ended, and how long it thought.
// Faults of the menu may change a draft; ids apart, the same conversation gives the same draft.
import { callableTools, characters, factsOf, type Facts, type Item, wording } from "./conversation.ts";
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

/** The same draft with other words in every text. Citations go, as their places would be wrong. */
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
  const logFields = factsOf(items);
  const thought = reasoning(request, logFields);
  const tools = logFields.functionSpokeLast ? [] : callableTools(request);
  const answer = tools.length > 0 ? functionCalls(request, tools, logFields) : spoken(request, logFields);
  return {
    id: newId("resp"),
    status: "completed",
    output: [...thought.items, ...answer],
    reasoningTokens: thought.tokens,
  };
}

function reasoning(request: JsonObject, logFields: Facts): { items: Item[]; tokens: number } {
  const asked = asObject(request["reasoning"]);
  const effort = asText(asked?.["effort"]);
  const summary = asText(asked?.["summary"]) ?? asText(asked?.["generate_summary"]);
  const tokens =
    effort === undefined
      ? (summary && REASONING_TOKENS["medium"]) || 0
      : (REASONING_TOKENS[effort] ?? REASONING_TOKENS_OF_HIGHER_EFFORTS);
  if (tokens === 0 && summary === undefined) return { items: [], tokens: 0 };
  const parts = [
    `**Reading**\n\nThe user has spoken ${logFields.said.length} times so far.`,
    "**Answering**\n\nI repeat what was said, so that memory can be seen.",
  ].slice(0, summary === undefined ? 0 : summary === "detailed" ? 2 : 1);
  const item: Item = {
    id: newId("rs"),
    type: "reasoning",
    summary: parts.map((text) => ({ type: "summary_text", text })),
  };
  if (asArray(request["include"])?.includes("reasoning.encrypted_content")) {
    item["encrypted_content"] = btoa(`emulated reasoning over ${logFields.said.length} messages`);
  }
  return { items: [item], tokens };
}

function functionCalls(request: JsonObject, tools: JsonObject[], logFields: Facts): Item[] {
  const both = /\bboth\b/i.test(logFields.said.at(-1) ?? "") && request["parallel_tool_calls"] !== false;
  return tools.slice(0, both ? 2 : 1).map((tool) => ({
    id: newId("fc"),
    type: "function_call",
    status: "completed",
    arguments: JSON.stringify(sample(tool["parameters"] ?? { type: "object" }, logFields.said.at(-1) ?? "")),
    call_id: newCallId(),
    name: tool["name"] ?? "",
  }));
}

function spoken(request: JsonObject, logFields: Facts): Item[] {
  const text = wording(logFields, asText(request["instructions"]));
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
  return search && request["tool_choice"] !== "none" ? searched(text, logFields) : [message([outputText(text)])];
}

// The citations come first: before them all characters are ASCII, so that their places are the same
// whether a reader counts bytes, UTF-16 units or code points.
function searched(text: string, logFields: Facts): Item[] {
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
    action: { type: "search", query: logFields.said.at(-1) ?? "" },
  };
  return [call, message([outputText(`${lead}: ${text}`, annotations)])];
}

/** OpenAI counts reasoning against the limit too: a small one may leave no text at all. */
export function withinLimit(draft: Draft, limit: number | undefined): Draft {
  if (limit === undefined || draft.status !== "completed" || outputTokens(draft) <= limit) {
    return draft;
  }
  const reasoningTokens = Math.min(draft.reasoningTokens, limit);
  let left = (limit - reasoningTokens) * CHARACTERS_PER_TOKEN;
  const cut = (text: string): string => {
    const kept = text.slice(0, left).replace(/[\uD800-\uDBFF]$/, "");
    left -= kept.length;
    return kept;
  };
  const output = draft.output.flatMap((item): Item[] => {
    if (item["type"] !== "message" && item["type"] !== "function_call") return [item];
    if (left <= 0) return [];
    const before = characters([item]);
    const kept =
      item["type"] === "message"
        ? { ...item, content: asObjects(item["content"]).map((part) => cutPart(part, cut)) }
        : { ...item, arguments: cut(asText(item["arguments"]) ?? "") };
    return [characters([kept]) < before ? { ...kept, status: "incomplete" } : kept];
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
