// The events of a Responses stream: what each type is about, and which events describe the parts and the arguments of an item. Callers do
// not receive an event whose type is not listed here, because OpenAI's SDKs end a stream at a type that they do not know.

/** The kinds of parts that consist of text. */
export type PartKind = "output_text" | "refusal" | "reasoning_text" | "summary_text";

/** How a kind of part appears in an item and in the events of a stream. */
export interface PartForm {
  itemType: "message" | "reasoning";
  /** The item's list that has the part. */
  list: "content" | "summary";
  indexKey: "content_index" | "summary_index";
  textKey: "text" | "refusal";
  added: string;
  delta: string;
  textDone: string;
  partDone: string;
}

export const PART_FORMS: Readonly<Record<PartKind, PartForm>> = {
  output_text: contentForm("message", "text", "response.output_text"),
  refusal: contentForm("message", "refusal", "response.refusal"),
  reasoning_text: contentForm("reasoning", "text", "response.reasoning_text"),
  summary_text: {
    itemType: "reasoning",
    list: "summary",
    indexKey: "summary_index",
    textKey: "text",
    added: "response.reasoning_summary_part.added",
    delta: "response.reasoning_summary_text.delta",
    textDone: "response.reasoning_summary_text.done",
    partDone: "response.reasoning_summary_part.done",
  },
};

function contentForm(itemType: "message" | "reasoning", textKey: "text" | "refusal", prefix: string): PartForm {
  return {
    itemType,
    list: "content",
    indexKey: "content_index",
    textKey,
    added: "response.content_part.added",
    delta: `${prefix}.delta`,
    textDone: `${prefix}.done`,
    partDone: "response.content_part.done",
  };
}

/** How the arguments of a call, or the text in place of them, appear in an item and in the events of a stream. */
export interface ArgumentsForm {
  textKey: "arguments" | "input" | "code";
  delta: string;
  done: string;
}

/** The forms by the type of the item. */
export const ARGUMENTS_FORMS: Readonly<Record<string, ArgumentsForm>> = {
  function_call: argumentsForm("arguments", "response.function_call_arguments"),
  custom_tool_call: argumentsForm("input", "response.custom_tool_call_input"),
  mcp_call: argumentsForm("arguments", "response.mcp_call_arguments"),
  code_interpreter_call: argumentsForm("code", "response.code_interpreter_call_code"),
};

function argumentsForm(textKey: ArgumentsForm["textKey"], prefix: string): ArgumentsForm {
  return { textKey, delta: `${prefix}.delta`, done: `${prefix}.done` };
}

/** What an event is about. */
export type EventRole =
  | { is: "lifecycle" }
  | { is: "item added" | "item done" }
  | { is: "part added" | "part done"; list: "content" | "summary" }
  | { is: "text delta" | "text done"; kind: PartKind; itemType: string }
  | { is: "arguments delta" | "arguments done"; itemType: string }
  | { is: "annotation" }
  /** The progress of an item, such as a hosted tool's call. */
  | { is: "progress"; itemType: string }
  /** Not about an item. */
  | { is: "other" };

const ROLES = new Map<string, EventRole>([
  ["response.created", { is: "lifecycle" }],
  ["response.queued", { is: "lifecycle" }],
  ["response.in_progress", { is: "lifecycle" }],
  ["response.output_item.added", { is: "item added" }],
  ["response.output_item.done", { is: "item done" }],
  ["response.content_part.added", { is: "part added", list: "content" }],
  ["response.content_part.done", { is: "part done", list: "content" }],
  ["response.reasoning_summary_part.added", { is: "part added", list: "summary" }],
  ["response.reasoning_summary_part.done", { is: "part done", list: "summary" }],
  ["response.output_text.annotation.added", { is: "annotation" }],
]);
for (const [kind, { itemType, delta, textDone }] of Object.entries(PART_FORMS) as [PartKind, PartForm][]) {
  ROLES.set(delta, { is: "text delta", kind, itemType });
  ROLES.set(textDone, { is: "text done", kind, itemType });
}
for (const [itemType, { delta, done }] of Object.entries(ARGUMENTS_FORMS)) {
  ROLES.set(delta, { is: "arguments delta", itemType });
  ROLES.set(done, { is: "arguments done", itemType });
}
/** The names of the progress events, by the type of the item. */
const PROGRESS: Readonly<Record<string, readonly string[]>> = {
  web_search_call: ["in_progress", "searching", "completed"],
  file_search_call: ["in_progress", "searching", "completed"],
  code_interpreter_call: ["in_progress", "interpreting", "completed"],
  image_generation_call: ["in_progress", "generating", "completed", "partial_image"],
  mcp_call: ["in_progress", "completed", "failed"],
  mcp_list_tools: ["in_progress", "completed", "failed"],
  compaction: ["compacting"],
};
for (const [itemType, names] of Object.entries(PROGRESS)) {
  for (const name of names) ROLES.set(`response.${itemType}.${name}`, { is: "progress", itemType });
}
for (const name of ["added", "delta", "done"])
  ROLES.set(`response.shell_call_command.${name}`, { is: "progress", itemType: "shell_call" });
for (const name of ["delta", "done"])
  ROLES.set(`response.shell_call_output_content.${name}`, { is: "progress", itemType: "shell_call_output" });
for (const name of ["delta", "done", "transcript.delta", "transcript.done"])
  ROLES.set(`response.audio.${name}`, { is: "other" });

/** Returns what an event is about; undefined for a terminal event, `error`, and a type that is not listed here. */
export function roleOf(type: string): EventRole | undefined {
  return ROLES.get(type);
}

/** The status of the response at the end of a stream, by the type of the terminal event. */
export const STATUS_BY_EVENT: Readonly<Record<string, string>> = {
  "response.completed": "completed",
  "response.incomplete": "incomplete",
  "response.failed": "failed",
  "response.cancelled": "cancelled",
  "response.done": "completed",
};
const FINAL_STATUSES: ReadonlySet<unknown> = new Set(["completed", "incomplete", "failed", "cancelled"]);

/** Whether a response with this status does not change any more. */
export function isFinalStatus(status: unknown): boolean {
  return FINAL_STATUSES.has(status);
}

/** Prefixes of item ids, as OpenAI writes them. */
const ID_PREFIXES: Readonly<Record<string, string>> = {
  message: "msg",
  reasoning: "rs",
  function_call: "fc",
  custom_tool_call: "ctc",
  web_search_call: "ws",
  file_search_call: "fs",
  code_interpreter_call: "ci",
  image_generation_call: "ig",
  computer_call: "cu",
  mcp_call: "mcp",
  mcp_list_tools: "mcpl",
  mcp_approval_request: "mcpr",
  local_shell_call: "lsh",
  shell_call: "sh",
  apply_patch_call: "apc",
  compaction: "cmp",
};

export function itemIdPrefix(type: string): string {
  return ID_PREFIXES[type] ?? "item";
}

/** Returns the type of an item. If the item has none, infers it from its fields or the form of its id; undefined if it is unknown. */
export function typeOfItem(item: Record<string, unknown>): string | undefined {
  const { type } = item;
  if (typeof type === "string" && type !== "") return type;
  if (item["role"] !== undefined) return "message";
  if (typeof item["name"] === "string" && item["arguments"] !== undefined) return "function_call";
  if (Array.isArray(item["summary"])) return "reasoning";
  if (typeof item["id"] === "string") {
    const [prefix] = item["id"].split("_", 1);
    const inferred = Object.keys(ID_PREFIXES).find((name) => ID_PREFIXES[name] === prefix);
    if (inferred !== undefined) return inferred;
  }
  return Array.isArray(item["content"]) ? "message" : undefined;
}
