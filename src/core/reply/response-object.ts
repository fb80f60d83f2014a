// Completes the response object of /v1/responses, and the items and parts in its events. Adds the keys that the Open Responses
// specification requires, since older relays leave out many. Replaces upstream's ids and error messages, and hides a preset's fields from
// restricted callers.
import { isRecord, type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { DEFAULTS } from "../../contract/response.ts";
import { usageOf } from "../upstream/usage.ts";
import { itemsOf, outputText } from "../upstream/output.ts";

export interface ResponseContext {
  id: string;
  previousId: string | null;
  /** The composed request with the caller's own instructions. Its values are used for keys that upstream does not echo. */
  request: JsonObject;
  /** Unix seconds. */
  now: number;
  /** Whether the caller is restricted. Then it sees only the request fields that `request` has, and no unknown keys. */
  restricted: boolean;
}

/** Keys that a preset may set and a restricted caller must not see. The caller gets the values of its own request, or the defaults. */
const HIDDEN = new Set(["tools", "tool_choice", "metadata", "text", "user", "safety_identifier", "prompt_cache_key"]);
/** Keys that a restricted caller sees besides those of DEFAULTS. */
const SHOWN = new Set([
  "id",
  "created_at",
  "status",
  "model",
  "output",
  "output_text",
  "usage",
  "previous_response_id",
]);
/** Keys that completeResponse always sets. FIRST and LAST give them their usual places in the object. */
const FIRST: JsonObject = { id: "" };
const LAST: JsonObject = {
  created_at: 0,
  status: "",
  model: "",
  output: [],
  output_text: "",
  usage: null,
  previous_response_id: null,
};

/** Required keys that must not be null. */
const NEVER_NULL = [
  "parallel_tool_calls",
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "top_logprobs",
  "service_tier",
  "store",
  "background",
  "truncation",
  "tool_choice",
  "tools",
  "text",
  "metadata",
];

/** Adds the required keys that are missing. @param response upstream's object, either complete or as in a stream's early events */
export function completeResponse(response: JsonObject, context: ResponseContext): JsonObject {
  const assumed: JsonObject = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS))
    if (context.request[key] !== undefined && key !== "object") assumed[key] = context.request[key];
  // One literal has all keys. V8 would turn an object that grows key by key into a dictionary, which takes twice as long to serialize.
  const complete: JsonObject = {
    ...FIRST,
    ...assumed,
    ...LAST,
    ...(context.restricted ? withoutPresetFields(response) : response),
  };
  for (const key of NEVER_NULL) complete[key] ??= context.request[key] ?? DEFAULTS[key];
  // Upstream echoes a preset's instructions, which belong to the deployer. The caller must not see them.
  complete["instructions"] = context.request["instructions"] ?? null;
  complete["id"] = context.id;
  complete["previous_response_id"] = context.previousId;
  complete["object"] = "response";
  complete["created_at"] =
    typeof response["created_at"] === "number" ? Math.floor(response["created_at"]) : context.now;
  complete["status"] = textOf(response["status"]) || "completed";
  complete["model"] = textOf(response["model"]) || textOf(context.request["model"]);
  if (complete["status"] === "completed" && typeof response["completed_at"] !== "number")
    complete["completed_at"] = context.now;
  const items = itemsOf(response).map(withAnnotations);
  complete["output"] = context.restricted ? items.map(withoutTools) : items;
  complete["output_text"] = outputText(response);
  complete["usage"] = completeUsage(response["usage"]);
  if (isRecord(response["error"])) {
    complete["error"] = {
      code: textOf(response["error"]["code"]) || "server_error",
      message: "The model failed to answer. The call may have been billed; send it again only if you accept that.",
    };
  }
  return complete;
}

function withoutPresetFields(response: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(response).filter(([key]) => !HIDDEN.has(key) && (SHOWN.has(key) || Object.hasOwn(DEFAULTS, key))),
  );
}

/** Empties the item's list of a hosted server's tools, which belongs to the preset. @returns the item itself if it has no list */
export function withoutTools(item: JsonObject): JsonObject {
  return item["tools"] === undefined ? item : { ...item, tools: [] };
}

/** Adds the annotations that a message's parts lack. @returns the item itself if nothing is missing */
export function withAnnotations(item: JsonObject): JsonObject {
  if (item["type"] !== "message" || !Array.isArray(item["content"])) return item;
  const isComplete = recordsOf(item["content"]).every(
    (part) => part["type"] !== "output_text" || Array.isArray(part["annotations"]),
  );
  if (isComplete) return item;
  return {
    ...item,
    content: recordsOf(item["content"]).map((part) =>
      part["type"] === "output_text" ? { annotations: [], ...dropNull(part, "annotations") } : part,
    ),
  };
}

function dropNull(part: JsonObject, key: string): JsonObject {
  const { [key]: value, ...rest } = part;
  return value === null || value === undefined ? rest : part;
}

function completeUsage(usage: unknown): JsonObject | null {
  const counted = usageOf(usage);
  if (counted === null || !isRecord(usage)) return null;
  return {
    ...usage,
    input_tokens: counted.input_tokens,
    input_tokens_details: {
      ...(isRecord(usage["input_tokens_details"]) ? usage["input_tokens_details"] : {}),
      cached_tokens: counted.cached_tokens,
    },
    output_tokens: counted.output_tokens,
    output_tokens_details: {
      ...(isRecord(usage["output_tokens_details"]) ? usage["output_tokens_details"] : {}),
      reasoning_tokens: counted.reasoning_tokens,
    },
    total_tokens: counted.total_tokens,
  };
}

/**
 * Completes an event of a stream that a relay converted from the chat API. Such relays leave out values that clients need: the index of a
 * new item, and the text and annotations of a part.
 * @param index the item's index, if this is the item's first event
 * @param restricted whether the caller is restricted and must not see lists of tools
 * @returns `data` itself if nothing changes, so that the event's bytes can be forwarded
 */
export function completeEvent(type: string, data: JsonObject, index: number, restricted: boolean): JsonObject {
  const { item, part } = data;
  if (type === "response.output_item.added" && data["output_index"] === undefined)
    return completeEvent(type, { ...data, output_index: index }, index, restricted);
  if (type.startsWith("response.output_item.") && isRecord(item)) {
    const annotated = withAnnotations(item);
    const complete = restricted ? withoutTools(annotated) : annotated;
    return complete === item ? data : { ...data, item: complete };
  }
  if (!type.startsWith("response.content_part.") || !isRecord(part) || part["type"] !== "output_text") return data;
  if (typeof part["text"] === "string" && Array.isArray(part["annotations"])) return data;
  return { ...data, part: { ...part, text: part["text"] ?? "", annotations: part["annotations"] ?? [] } };
}
