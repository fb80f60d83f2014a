// A conversation is a list of items, oldest first, whether it came through a chain or was replayed as input.
// The text of an answer depends on this list alone, so both ways give the same text.
import { asArray, asObject, asObjects, asText, type Json, type JsonObject } from "./json.ts";

export type Item = JsonObject;

const EARLIER_TURNS_LISTED = 100;
// Without limits, a pasted book would come back in every later answer. Its beginning is enough to prove memory.
const LATEST_TEXT_MAX_CHARACTERS = 2_000;
const EARLIER_TEXT_MAX_CHARACTERS = 200;
const IMAGE_CHARACTERS = 340;

/** The `input` of a request as items: a string is one user message, a role without a type is a message, an id alone a reference. */
export function inputItems(input: Json | undefined): Item[] {
  const text = asText(input);
  if (text !== undefined) {
    return [{ type: "message", role: "user", content: [{ type: "input_text", text }] }];
  }
  return asObjects(input).map((item) => {
    if (asText(item["type"]) !== undefined) return item;
    return { ...item, type: item["role"] === undefined ? "item_reference" : "message" };
  });
}

function partsText(content: Json | undefined): string {
  return (
    asText(content) ??
    asObjects(content)
      .map((part) => asText(part["text"]) ?? asText(part["refusal"]) ?? "")
      .join("")
  );
}

const partsOfType = (item: Item, type: string): number =>
  [...asObjects(item["content"]), ...asObjects(item["output"])].filter((p) => p["type"] === type).length;

const isUser = (item: Item): boolean => item["type"] === "message" && item["role"] === "user";

const isMadeByModel = (item: Item): boolean =>
  item["role"] === "assistant" ||
  ["function_call", "reasoning", "web_search_call"].includes(asText(item["type"]) ?? "");

/** The number of characters of an item that a model would read. Old reasoning is not read again and counts as zero. */
export function itemCharacters(item: Item): number {
  const images = partsOfType(item, "input_image") * IMAGE_CHARACTERS;
  switch (item["type"]) {
    case "message":
      return partsText(item["content"]).length + images;
    case "function_call":
      return (asText(item["name"]) ?? "").length + (asText(item["arguments"]) ?? "").length;
    case "function_call_output":
      return partsText(item["output"]).length + images;
    default:
      return 0;
  }
}

export const characters = (items: Item[]): number => items.reduce((sum, item) => sum + itemCharacters(item), 0);

/** The items up to the last one that the model made: the part that a prompt cache would hold. */
export const earlierItems = (items: Item[]): Item[] => items.slice(0, items.findLastIndex(isMadeByModel) + 1);

export type Transcript = {
  readonly userTexts: string[];
  readonly images: number;
  readonly files: number;
  readonly outputs: string[];
  /** True if a function's output follows the last user message. A model then answers instead of calling again. */
  readonly endsWithOutput: boolean;
  readonly callsWithoutOutput: string[];
  readonly outputsWithoutCall: string[];
  readonly approvalsWithoutRequest: string[];
};

export function transcriptOf(items: Item[]): Transcript {
  const ids = (type: string): string[] =>
    items
      .filter((item) => item["type"] === type && item["status"] !== "incomplete")
      .flatMap((item) => asText(item["call_id"]) ?? []);
  const called = ids("function_call");
  const answered = ids("function_call_output");
  const count = (type: string): number => items.reduce((sum, item) => sum + partsOfType(item, type), 0);
  const outputs = items.filter((item) => item["type"] === "function_call_output");
  const lastUser = items.findLastIndex(isUser);
  return {
    userTexts: items.filter(isUser).map((item) => partsText(item["content"])),
    images: count("input_image"),
    files: count("input_file"),
    outputs: outputs.map((item) => partsText(item["output"])),
    endsWithOutput: items.some((item, index) => index > lastUser && item["type"] === "function_call_output"),
    callsWithoutOutput: called.filter((id) => !answered.includes(id)),
    outputsWithoutCall: answered.filter((id) => !called.includes(id)),
    approvalsWithoutRequest: items
      .filter(({ type }) => type === "mcp_approval_response")
      .flatMap((item) => asText(item["approval_request_id"]) ?? [])
      .filter((id) => !items.some((item) => item["type"] === "mcp_approval_request" && item["id"] === id)),
  };
}

const clip = (text: string, max: number): string =>
  text.length > max ? `${text.slice(0, max).replace(/[\uD800-\uDBFF]$/, "")}…` : text;

const quoteAll = (texts: string[], max: number): string => texts.map((text) => `"${clip(text, max)}"`).join(", ");

/** The plain answer to a conversation. It gives the length of the instructions, never their text. */
export function answerText(transcript: Transcript, instructions: string | undefined): string {
  const turn = transcript.userTexts.length;
  const earlier = transcript.userTexts.slice(0, -1).slice(-EARLIER_TURNS_LISTED);
  return [
    turn > 1 ? `Turn ${turn}.` : "",
    turn === 0
      ? "You said nothing."
      : `You said: ${quoteAll(transcript.userTexts.slice(-1), LATEST_TEXT_MAX_CHARACTERS)}.`,
    earlier.length > 0 ? `Before that you said: ${quoteAll(earlier, EARLIER_TEXT_MAX_CHARACTERS)}.` : "",
    transcript.images > 0 ? `Images: ${transcript.images}.` : "",
    transcript.files > 0 ? `Files: ${transcript.files}.` : "",
    transcript.outputs.length > 0
      ? `Function outputs: ${quoteAll(transcript.outputs, LATEST_TEXT_MAX_CHARACTERS)}.`
      : "",
    instructions ? `(instructions: ${instructions.length} characters)` : "",
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

/** The function tools of a request, in its order. */
export const functionTools = (request: JsonObject): JsonObject[] =>
  asObjects(request["tools"]).filter((tool) => tool["type"] === "function");

/** The functions that `tool_choice` allows: none, one by name, a list, or all. */
export function callableTools(request: JsonObject): JsonObject[] {
  const tools = functionTools(request);
  const choice = request["tool_choice"];
  if (choice === "none") return [];
  const chosen = asObject(choice);
  if (!chosen) return tools;
  const name = asText(chosen["name"]) ?? asText(asObject(chosen["function"])?.["name"]);
  if (chosen["type"] === "function") return tools.filter((tool) => tool["name"] === name);
  const allowed = asArray(chosen["tools"]);
  if (!allowed) return [];
  const names = new Set(asObjects(allowed).map((tool) => tool["name"]));
  return tools.filter((tool) => names.has(tool["name"]));
}
