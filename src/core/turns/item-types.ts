// The types of input items, and the form in which any backend accepts an item of each type. Upstream's backends don't share what they
// store, so ids, encrypted content and the traces of hosted tools are left out unless the type requires them.
import { isRecord, type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { jsonTextOf, VENDOR_KEYS } from "../upstream/output.ts";

/**
 * Whether an item can be sent to a backend that may not know it. An item is sent if it is `keep`. A `call` and its `output` are sent only
 * together, and an `approval` request only if the new input answers it. Two kinds are left out: a `trace`, because the answer's text has
 * its result, and a `private` item, because only the backend that made it can read it. A `reference` names an item that a backend has
 * stored.
 */
type Portability = "keep" | "call" | "output" | "approval" | "trace" | "private" | "reference";

interface ItemType {
  /** The keys that the type requires, besides `type`. */
  required: readonly string[];
  portability: Portability;
}

/** Every type of OpenAI's `ResponseInputItem`. test/unit/item-types.test.ts compares this table with the SDK's types. */
export const ITEM_TYPES = {
  message: { required: ["role", "content"], portability: "keep" },
  function_call: { required: ["call_id", "name", "arguments"], portability: "call" },
  function_call_output: { required: ["output"], portability: "output" },
  custom_tool_call: { required: ["call_id", "name", "input"], portability: "call" },
  custom_tool_call_output: { required: ["call_id", "output"], portability: "output" },
  computer_call: { required: ["id", "call_id", "pending_safety_checks", "status"], portability: "call" },
  computer_call_output: { required: ["call_id", "output"], portability: "output" },
  local_shell_call: { required: ["id", "call_id", "action", "status"], portability: "call" },
  local_shell_call_output: { required: ["id", "output"], portability: "output" },
  shell_call: { required: ["call_id", "action"], portability: "call" },
  shell_call_output: { required: ["call_id", "output"], portability: "output" },
  apply_patch_call: { required: ["call_id", "operation", "status"], portability: "call" },
  apply_patch_call_output: { required: ["call_id", "status"], portability: "output" },
  tool_search_call: { required: ["arguments"], portability: "call" },
  tool_search_output: { required: ["tools"], portability: "output" },
  mcp_approval_request: { required: ["id", "server_label", "name", "arguments"], portability: "approval" },
  mcp_approval_response: { required: ["approval_request_id", "approve"], portability: "output" },
  image_generation_call: { required: ["id", "result", "status"], portability: "keep" },
  additional_tools: { required: ["role", "tools"], portability: "keep" },
  configuration_update: { required: [], portability: "keep" },
  compaction: { required: ["encrypted_content"], portability: "keep" },
  compaction_trigger: { required: [], portability: "keep" },
  reasoning: { required: ["id", "summary"], portability: "private" },
  file_search_call: { required: ["id", "queries", "status"], portability: "trace" },
  web_search_call: { required: ["id", "action", "status"], portability: "trace" },
  code_interpreter_call: { required: ["id", "code", "container_id", "outputs", "status"], portability: "trace" },
  mcp_list_tools: { required: ["id", "server_label", "tools"], portability: "trace" },
  mcp_call: { required: ["id", "server_label", "name", "arguments"], portability: "trace" },
  program: { required: ["id", "call_id", "code", "fingerprint"], portability: "trace" },
  program_output: { required: ["id", "call_id", "result", "status"], portability: "trace" },
  item_reference: { required: ["id"], portability: "reference" },
} as const satisfies Record<string, ItemType>;

/** Values for required keys that a relay omitted. */
const DEFAULTS: JsonObject = { status: "completed", arguments: "{}", pending_safety_checks: [] };

/** Returns an item's type. An item without a type is a "message" if it has a role, or else an "item_reference". */
export function itemTypeOf(item: JsonObject): string {
  const { type } = item;
  if (typeof type === "string") return type;
  return item["role"] === undefined ? "item_reference" : "message";
}

/** Returns how an item can be sent to another backend; undefined for a type that OpenAI's SDK does not know. */
export function portabilityOf(item: JsonObject): Portability | undefined {
  const type = itemTypeOf(item);
  // Upstream has run these calls itself.
  if ((type === "tool_search_call" || type === "tool_search_output") && !isClientRun(item)) return "trace";
  if (type === "shell_call" && isRecord(item["environment"]) && item["environment"]["type"] === "container_reference")
    return "trace";
  return knownType(type)?.portability;
}

function isClientRun(item: JsonObject): boolean {
  return textOf(item["call_id"]) !== "" && item["execution"] !== "server";
}

function knownType(type: string): ItemType | undefined {
  return Object.hasOwn(ITEM_TYPES, type) ? ITEM_TYPES[type as keyof typeof ITEM_TYPES] : undefined;
}

/** Prefixes of the ids of items that are left out: reasoning items, and traces of hosted tools. */
const LEFT_OUT_ID = /^(?:rs|ws|fs|ci|ig|mcp|mcpl|prog|progout)_/;

/** Whether an id shows that its item is a reasoning item or a trace of a hosted tool. */
export function isIdOfLeftOutItem(id: string): boolean {
  return LEFT_OUT_ID.test(id);
}

/**
 * Converts an item to a form that any backend accepts. Items of unknown types are unchanged, since nothing is known about their keys.
 * @returns undefined if the item is left out: it is private, a trace, a reference, or a message of the model without text; or it lacks a
 * required key or an image that was too large to store
 */
export function toPortable(item: JsonObject): JsonObject | undefined {
  const portability = portabilityOf(item);
  if (portability === "private" || portability === "trace" || portability === "reference") return undefined;
  const type = itemTypeOf(item);
  const required = knownType(type)?.required;
  if (required === undefined) return item;
  const portable: JsonObject = { ...item };
  for (const key of VENDOR_KEYS) if (!required.includes(key)) delete portable[key];
  for (const key of required) {
    const value = portable[key] ?? DEFAULTS[key];
    if (value === undefined || (value === "" && !MAY_BE_EMPTY.has(key))) return undefined;
    if (IDS.has(key) && typeof value !== "string") return undefined;
    // A note replaces an image that was too large to store.
    if (key === "result" && isStorageNote(value)) return undefined;
    portable[key] = value;
  }
  if (type === "message") return portableMessage(portable);
  if (Array.isArray(portable["output"])) portable["output"] = portable["output"].map(portablePart);
  // Only the search for tools has arguments that are not text.
  for (const key of type === "tool_search_call" ? [] : ["arguments", "input"])
    if (typeof portable[key] === "object") portable[key] = jsonTextOf(portable[key]);
  return portable;
}

/** Keys that name an item, a call, a tool or a role. Their values must be strings. */
const IDS: ReadonlySet<string> = new Set(["id", "call_id", "approval_request_id", "name", "role"]);
/** Required keys whose value may be an empty string. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(["output", "arguments", "input", "content"]);

/**
 * Converts a message. The model's own words become a string: as parts they would need an id and a status, which backends don't share.
 * @returns undefined for a message of the model without text
 */
function portableMessage(message: JsonObject): JsonObject | undefined {
  const { role, content } = message;
  if (role !== "assistant")
    return Array.isArray(content) ? { ...message, content: content.map(portablePart) } : message;
  const text =
    typeof content === "string"
      ? content
      : recordsOf(content)
          .map((part) => textOf(part["text"]) || textOf(part["refusal"]))
          .join("");
  return text === "" ? undefined : { ...message, content: text };
}

/** Converts a part of a message or an output. If an image was too large to store, the note that replaced it becomes a part with text. */
function portablePart(part: unknown): unknown {
  if (!isRecord(part)) return part;
  const { logprobs: _, ...rest } = part;
  for (const key of ["image_url", "file_data"])
    if (isStorageNote(rest[key])) return { type: "input_text", text: rest[key] };
  return rest;
}

function isStorageNote(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("[") && value.endsWith("]");
}
