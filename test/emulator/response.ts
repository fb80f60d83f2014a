// The response object as OpenAI returns it in autumn 2026: all its keys, including those that repeat the request.
// The model is marked `emulator/…`, so that nobody mistakes an answer for a real one.
import { characters, earlierItems, type Item } from "./conversation.ts";
import { type Draft, outputTokens, tokensOf } from "./draft.ts";
import { asNumber, asObject, asObjects, asText, type JsonObject } from "./json.ts";

export function responseOf(request: JsonObject, items: Item[], draft: Draft): JsonObject {
  const now = Math.floor(Date.now() / 1000);
  const text = asObject(request["text"]);
  const reasoning = asObject(request["reasoning"]);
  const tier = asText(request["service_tier"]) ?? "auto";
  return {
    id: draft.id,
    object: "response",
    created_at: now,
    status: draft.status,
    background: false,
    billing: { payer: "developer" },
    completed_at: draft.status === "completed" ? now : null,
    error: draft.error ?? null,
    frequency_penalty: asNumber(request["frequency_penalty"]) ?? 0,
    incomplete_details: draft.incompleteReason === undefined ? null : { reason: draft.incompleteReason },
    instructions: request["instructions"] ?? null,
    max_output_tokens: asNumber(request["max_output_tokens"]) ?? null,
    max_tool_calls: asNumber(request["max_tool_calls"]) ?? null,
    model: `emulator/${asText(request["model"]) ?? ""}`,
    moderation: null,
    output: draft.output,
    parallel_tool_calls: request["parallel_tool_calls"] ?? true,
    presence_penalty: asNumber(request["presence_penalty"]) ?? 0,
    previous_response_id: request["previous_response_id"] ?? null,
    ...(request["prompt"] === undefined ? {} : { prompt: request["prompt"] }),
    prompt_cache_key: request["prompt_cache_key"] ?? null,
    prompt_cache_retention: request["prompt_cache_retention"] ?? "24h",
    reasoning: { effort: reasoning?.["effort"] ?? null, summary: reasoning?.["summary"] ?? null },
    safety_identifier: request["safety_identifier"] ?? null,
    service_tier: tier === "auto" ? "default" : tier,
    store: request["store"] ?? true,
    temperature: asNumber(request["temperature"]) ?? 1,
    text: {
      format: text?.["format"] ?? { type: "text" },
      verbosity: text?.["verbosity"] ?? "medium",
    },
    tool_choice: request["tool_choice"] ?? "auto",
    tools: asObjects(request["tools"]).map((tool) =>
      tool["type"] === "function" ? { ...tool, strict: tool["strict"] ?? true } : tool,
    ),
    top_logprobs: asNumber(request["top_logprobs"]) ?? 0,
    top_p: asNumber(request["top_p"]) ?? 1,
    truncation: request["truncation"] ?? "disabled",
    usage: draft.status === "failed" ? null : usageOf(request, items, draft),
    user: request["user"] ?? null,
    metadata: request["metadata"] ?? {},
  };
}

function usageOf(request: JsonObject, items: Item[], draft: Draft): JsonObject {
  const instructions = asText(request["instructions"])?.length ?? 0;
  const input = Math.max(1, tokensOf(characters(items) + instructions));
  const output = outputTokens(draft);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: Math.floor(characters(earlierItems(items)) / 4) },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: draft.reasoningTokens },
    total_tokens: input + output,
  };
}

/** The same response as in the first events of a stream: no output and no usage yet. */
export function inProgress(response: JsonObject): JsonObject {
  const tier = response["service_tier"] === "default" ? "auto" : (response["service_tier"] ?? null);
  return {
    ...response,
    status: "in_progress",
    completed_at: null,
    error: null,
    incomplete_details: null,
    output: [],
    service_tier: tier,
    usage: null,
  };
}
