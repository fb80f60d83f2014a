// Completes the response object of /v1/responses. Adds the keys that the Open Responses specification requires and that many relays omit;
// stream-repair.ts has already completed the items. Replaces upstream's ids and error messages, and hides a preset's fields from restricted
// callers.
import { isRecord, type JsonObject, objectOf, textOf } from "../lib/json.ts";
import { unixSeconds } from "../lib/unix-seconds.ts";
import { type DefaultedFields, DEFAULTS } from "../../contract/response.ts";
import { usageOfResponse } from "../upstream/usage.ts";
import { itemsOf, outputText } from "../upstream/output.ts";
import {
  booleanOf,
  integerOf,
  metadataOf,
  nameOf,
  numberOf,
  reasoningOf,
  stringOf,
  textOptionsOf,
  toolChoiceOf,
  toolsOf,
} from "./echoed-fields.ts";

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

/** Replaces upstream's response as the source of fields that a restricted caller must not see, because its preset may have set them. */
const NOTHING: JsonObject = {};

/** Adds the required keys that are missing. @param response upstream's object, either finished or as in a stream's first events */
export function completeResponse(response: JsonObject, context: ResponseContext): JsonObject {
  const { request, restricted, now } = context;
  // Upstream also echoes what a preset set. A restricted caller gets only the values of its own request.
  const shown = restricted ? NOTHING : response;
  const echoed = (name: keyof DefaultedFields, read: (value: unknown) => unknown, source = response): unknown =>
    read(source[name]) ?? read(request[name]) ?? DEFAULTS[name];
  const status = textOf(response["status"]) || "completed";
  const created = unixSeconds(response["created_at"], now);
  const completed = unixSeconds(response["completed_at"], status === "completed" ? now : null);
  const items = itemsOf(response);
  // One literal has all keys. V8 would turn an object that grows key by key into a dictionary, which takes twice as long to serialize.
  const complete = {
    id: context.id,
    object: "response",
    created_at: created,
    completed_at: completed === null ? null : Math.max(completed, created),
    status,
    model: textOf(response["model"]) || textOf(request["model"]),
    previous_response_id: context.previousId,
    // Upstream echoes a preset's instructions, which belong to the deployer. The caller must not see them.
    instructions: request["instructions"] ?? null,
    output: restricted ? items.map(withoutTools) : items,
    output_text: outputText(response),
    error: completeError(response["error"], status),
    incomplete_details: incompleteDetailsOf(response["incomplete_details"]),
    usage: completeUsage(response),
    max_output_tokens: echoed("max_output_tokens", integerOf),
    max_tool_calls: echoed("max_tool_calls", integerOf),
    parallel_tool_calls: echoed("parallel_tool_calls", booleanOf),
    temperature: echoed("temperature", numberOf),
    top_p: echoed("top_p", numberOf),
    presence_penalty: echoed("presence_penalty", numberOf),
    frequency_penalty: echoed("frequency_penalty", numberOf),
    top_logprobs: echoed("top_logprobs", integerOf),
    reasoning: reasoningOf(response["reasoning"], request["reasoning"]),
    service_tier: echoed("service_tier", nameOf),
    store: echoed("store", booleanOf),
    background: echoed("background", booleanOf),
    truncation: echoed("truncation", nameOf),
    tool_choice: echoed("tool_choice", toolChoiceOf, shown),
    tools: echoed("tools", toolsOf, shown),
    text: textOptionsOf(shown["text"], request["text"]),
    metadata: echoed("metadata", metadataOf, shown),
    user: echoed("user", stringOf, shown),
    safety_identifier: echoed("safety_identifier", stringOf, shown),
    prompt_cache_key: echoed("prompt_cache_key", stringOf, shown),
  } satisfies Record<keyof DefaultedFields, unknown> & JsonObject;
  return restricted ? complete : addUnknownKeys(complete, response);
}

/** Adds the keys that this Worker does not know. */
function addUnknownKeys(complete: JsonObject, response: JsonObject): JsonObject {
  for (const key of Object.keys(response)) if (!(key in complete)) complete[key] = response[key];
  return complete;
}

/** Replaces upstream's message, which may name its accounts. @returns null if there is no error; a failed response always has one */
function completeError(error: unknown, status: string): JsonObject | null {
  const { code, message } = typeof error === "string" ? { code: "", message: error } : objectOf(error);
  const isEmpty = textOf(code) === "" && textOf(message) === "";
  if (isEmpty && status !== "failed") return null;
  return {
    code: textOf(code) || "server_error",
    message: "The model failed to answer. The call may have been billed; send it again only if you accept that.",
  };
}

function incompleteDetailsOf(details: unknown): JsonObject | null {
  if (typeof details === "string" && details !== "") return { reason: details };
  return isRecord(details) && typeof details["reason"] === "string" ? details : null;
}

/** Empties the item's list of a hosted server's tools, which belongs to the preset. @returns the item itself if it has no list */
export function withoutTools(item: JsonObject): JsonObject {
  return item["tools"] === undefined ? item : { ...item, tools: [] };
}

function completeUsage(response: JsonObject): JsonObject | null {
  const { usage } = response;
  const counted = usageOfResponse(response);
  if (counted === null || !isRecord(usage)) return null;
  const input = objectOf(usage["input_tokens_details"]);
  return {
    ...usage,
    input_tokens: counted.input_tokens,
    input_tokens_details: {
      ...input,
      cached_tokens: counted.cached_tokens,
      // The second name is Anthropic's.
      cache_write_tokens:
        integerOf(input["cache_write_tokens"]) ?? integerOf(usage["cache_creation_input_tokens"]) ?? 0,
    },
    output_tokens: counted.output_tokens,
    output_tokens_details: {
      ...objectOf(usage["output_tokens_details"]),
      reasoning_tokens: counted.reasoning_tokens,
    },
    total_tokens: counted.total_tokens,
  };
}
