// The errors of UniAPI (one-hub and new-api beneath it) and of OpenAI behind it, word for word.
// The relay ends its messages with the request id, which is also in a header.
import type { JsonObject } from "./json.ts";
import { jsonScript, type Script } from "./script.ts";

type Headers = Record<string, string>;

/** An error of OpenAI's, relayed unchanged. */
export const openaiError = (
  status: number,
  message: string,
  fields: { type?: string; param?: string | null; code?: string | null } = {},
): Script =>
  jsonScript(status, {
    error: {
      message,
      type: fields.type ?? "invalid_request_error",
      param: fields.param ?? null,
      code: fields.code ?? null,
    },
  });

/** An error of the relay's own. It has a code only if the relay writes one. */
export function hubError(
  status: number,
  requestId: string,
  message: string,
  fields: JsonObject = {},
  headers: Headers = {},
): Script {
  const error = {
    message: `${message} (request id: ${requestId})`,
    type: "one_hub_error",
    ...fields,
  };
  return jsonScript(status, { error }, headers);
}

export const HUB_CODE = { code: "one_hub_error" };
export const SATURATED = "当前分组上游负载已饱和，请稍后再试";
export const SATURATED_CODE = { code: "rate_limit_exceeded", type: "tokens" };

export const invalidKey = (id: string): Script => hubError(401, id, "无效的令牌");

export const invalidUrl = (method: string, path: string): Script =>
  jsonScript(404, {
    error: {
      message: `Invalid URL (${method} ${path})`,
      type: "invalid_request_error",
      param: "",
      code: "",
    },
  });

export const invalidJson = (id: string): Script =>
  hubError(400, id, "invalid character looking for beginning of value", HUB_CODE);

export const modelRequired = (id: string): Script => hubError(400, id, "field Model is required", HUB_CODE);

export const modelNotFound = (id: string, model: string): Script =>
  hubError(503, id, `No available channel for model ${model} under group default (distributor)`, {
    code: "model_not_found",
    type: "new_api_error",
  });

export const chainNotFound = (previous: string, status = 400): Script =>
  openaiError(status, `Previous response with id '${previous}' not found.`, {
    param: "previous_response_id",
    code: "previous_response_not_found",
  });

export const itemNotFound = (item: string, status = 400): Script =>
  openaiError(
    status,
    `Item with id '${item}' not found. Items are not persisted when \`store\` is set to false. ` +
      "Try again with `store` set to true, or remove this item from your input.",
    { param: "input" },
  );

export const noOutputFor = (call: string): Script =>
  openaiError(400, `No tool output found for function call ${call}.`, { param: "input" });

export const noCallFor = (call: string): Script =>
  openaiError(400, `No tool call found for function call output with call_id ${call}.`, {
    param: "input",
  });

export const noRequestFor = (id: string): Script =>
  openaiError(400, `No approval request found for approval response with approval_request_id ${id}.`, {
    param: "input",
  });

export const belowMinimum = (given: number): Script =>
  openaiError(
    400,
    `Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got ${given} instead.`,
    {
      param: "max_output_tokens",
      code: "integer_below_min_value",
    },
  );

export const inputRequired = (): Script =>
  openaiError(400, 'One of "input" or "previous_response_id" or "prompt" or "conversation_id" must be provided.', {
    code: "missing_required_parameter",
  });
