// The response object of /v1/responses: upstream's own, under our ids, with every key that the Open Responses specification requires,
// since relays of older shape leave many out. Nothing that upstream said is changed but ids and error texts.
import { isRecord, type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { DEFAULTS } from "../../contract/response.ts";
import { usageOf } from "../upstream/usage.ts";
import { itemsOf, outputText } from "../upstream/output.ts";

export interface ResponseContext {
  id: string;
  previousId: string | null;
  /** The composed request, with the caller's own instructions or none: what a key was asked to be, where upstream does not echo it. */
  request: JsonObject;
  /** Unix seconds. */
  now: number;
  /** The caller is locked: it is shown of the request only what `asked` has, and no key that is not known here. */
  restricted: boolean;
}

/** What a preset brings along and a locked caller must not see: its own, or what stands where there is none. */
const HIDDEN = new Set(["tools", "tool_choice", "metadata", "text", "user", "safety_identifier", "prompt_cache_key"]);
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
/** Keys that are always set by us, in the places where they are looked for. */
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

/** Required keys for which null is no value. */
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

/** @param response upstream's object, whole or as a stream's early events show it */
export function completeResponse(response: JsonObject, facts: ResponseContext): JsonObject {
  const assumed: JsonObject = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS))
    if (facts.request[key] !== undefined && key !== "object") assumed[key] = facts.request[key];
  // Made in one go of all keys: V8 keeps an object that grows key by key as a dictionary, which takes twice as long to write down.
  const whole: JsonObject = {
    ...FIRST,
    ...assumed,
    ...LAST,
    ...(facts.restricted ? withoutPresetFields(response) : response),
  };
  for (const key of NEVER_NULL) whole[key] ??= facts.request[key] ?? DEFAULTS[key];
  // Upstream echoes what a preset brought along, too; that is the deployer's, not the caller's.
  whole["instructions"] = facts.request["instructions"] ?? null;
  whole["id"] = facts.id;
  whole["previous_response_id"] = facts.previousId;
  whole["object"] = "response";
  whole["created_at"] = typeof response["created_at"] === "number" ? Math.floor(response["created_at"]) : facts.now;
  whole["status"] = textOf(response["status"]) || "completed";
  whole["model"] = textOf(response["model"]) || textOf(facts.request["model"]);
  if (whole["status"] === "completed" && typeof response["completed_at"] !== "number")
    whole["completed_at"] = facts.now;
  const items = itemsOf(response).map(withAnnotations);
  whole["output"] = facts.restricted ? items.map(withoutTools) : items;
  whole["output_text"] = outputText(response);
  whole["usage"] = completeUsage(response["usage"]);
  if (isRecord(response["error"])) {
    whole["error"] = {
      code: textOf(response["error"]["code"]) || "server_error",
      message: "The model failed to answer. Send the request again only if you accept to pay for it twice.",
    };
  }
  return whole;
}

function withoutPresetFields(response: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(response).filter(([key]) => !HIDDEN.has(key) && (SHOWN.has(key) || Object.hasOwn(DEFAULTS, key))),
  );
}

/** A list of a hosted server's tools is the preset's. @returns the item itself where there is none */
export function withoutTools(item: JsonObject): JsonObject {
  return item["tools"] === undefined ? item : { ...item, tools: [] };
}

/** @returns the item itself where nothing is missing */
export function withAnnotations(item: JsonObject): JsonObject {
  if (item["type"] !== "message" || !Array.isArray(item["content"])) return item;
  const whole = recordsOf(item["content"]).every(
    (part) => part["type"] !== "output_text" || Array.isArray(part["annotations"]),
  );
  if (whole) return item;
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

export function completeEvent(type: string, data: JsonObject, index: number, locked: boolean): JsonObject {
  const { item, part } = data;
  if (type === "response.output_item.added" && data["output_index"] === undefined)
    return completeEvent(type, { ...data, output_index: index }, index, locked);
  if (type.startsWith("response.output_item.") && isRecord(item)) {
    const complete = withAnnotations(item);
    const whole = locked ? withoutTools(complete) : complete;
    return whole === item ? data : { ...data, item: whole };
  }
  if (!type.startsWith("response.content_part.") || !isRecord(part) || part["type"] !== "output_text") return data;
  if (typeof part["text"] === "string" && Array.isArray(part["annotations"])) return data;
  return { ...data, part: { ...part, text: part["text"] ?? "", annotations: part["annotations"] ?? [] } };
}

