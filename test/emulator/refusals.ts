// Entries of the menu that answer without a generation: errors, redirects, pages that aren't JSON.
// The bodies are those of test/fixtures/derived, with our own request id.
import { HUB_CODE, hubError, invalidKey, modelNotFound, openaiError, SATURATED, SATURATED_CODE } from "./errors.ts";
import type { Call, Hooks } from "./fault.ts";
import type { JsonObject } from "./json.ts";
import { jsonScript, type Script, step, textScript } from "./script.ts";

type Refuse = (call: Call, number: number) => Script | undefined;

const refuseWith = (instead: Refuse): Hooks => ({ instead });

const hub = (status: number, message: string, fields: JsonObject = {}): Hooks =>
  refuseWith((call) => hubError(status, call.requestId, message, fields));

const TOO_FAST = "您的速率达到上限，请稍后再试。";
const RATE_LIMITED =
  "Rate limit reached for gpt-4o in organization org-EXAMPLEexampleEXAMPLE01 on tokens per min (TPM): " +
  "Limit 30000, Used 29500, Requested 1200. Please try again in 1.4s. " +
  "Visit https://platform.openai.com/account/rate-limits to learn more.";

export const badRequest = hub(
  400,
  "Provider API error: Unsupported parameter: 'temperature' is not supported with this model.",
  {
    code: "unsupported_parameter",
    param: "temperature",
    type: "invalid_request_error",
  },
);
export const badKey = refuseWith((call) => invalidKey(call.requestId));
export const keyUsedUp = hub(401, "令牌额度已用尽");
/** Older new-api puts parts of the caller's key into the message. */
export const quotaWithKeyParts = refuseWith((call) =>
  hubError(
    401,
    call.requestId,
    `[${call.key.slice(0, 6)}***${call.key.slice(-3)}] 该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = 0`,
    { code: "", type: "new_api_error" },
  ),
);
export const vendorKey = hub(
  401,
  "Provider API error: Incorrect API key provided: sk-proj-********************wxyz. " +
    "You can find your API key at https://platform.openai.com/account/api-keys.",
  { code: "invalid_api_key", type: "invalid_request_error" },
);
export const paymentRequired = hub(402, "余额不足，请充值");
export const noBalance = hub(403, "用户额度不足, 剩余额度: ＄0.000000", {
  type: "new_api_error",
  param: "",
  code: "insufficient_user_quota",
});
export const unknownModel = refuseWith((call) =>
  openaiError(404, `The model '${call.model}' does not exist or you do not have access to it.`, {
    code: "model_not_found",
  }),
);
export const tooLargeRequest = hub(413, "http: request body too large", HUB_CODE);
export const tooFast = hub(429, TOO_FAST);
export const tooFastUntil = refuseWith((call, seconds) =>
  hubError(429, call.requestId, TOO_FAST, {}, { "retry-after": String(seconds) }),
);
export const emptyTooFast = refuseWith(() => textScript(429, "", {}));
/** A quota error with status 429. Only the code distinguishes it from a rate limit. */
export const quotaAs429 = refuseWith(() =>
  openaiErrorOfHub(429, "上游负载已饱和，请稍后再试", "insufficient_user_quota"),
);
export const saturated429 = hub(429, SATURATED, SATURATED_CODE);
export const rateLimited = refuseWith(() =>
  openaiError(429, RATE_LIMITED, { type: "tokens", code: "rate_limit_exceeded" }),
);
export const serverError = hub(500, "Provider API error: The server had an error", {
  code: "server_error",
  type: "upstream_error",
});
export const badGateway = refuseWith(() =>
  textScript(
    502,
    "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n" +
      "<center><h1>502 Bad Gateway</h1></center>\n<hr><center>cloudflare</center>\n</body>\n</html>\n",
    { "content-type": "text/html; charset=UTF-8" },
  ),
);
export const saturated503 = hub(503, SATURATED);
export const noChannel = refuseWith((call) =>
  hubError(503, call.requestId, `当前分组 default 下对于模型 ${call.model} 无可用渠道`, HUB_CODE),
);
export const noChannelNewApi = refuseWith((call) => modelNotFound(call.requestId, call.model));

/** Cloudflare's own statuses come as plain text, the others as an error of the relay. */
export const statusOf = (call: Call, status: number): Script => {
  if (status < 200 || status > 599) return hubError(400, call.requestId, "no such status");
  if ([204, 205, 304].includes(status)) return textScript(status, "", {});
  return status >= 520 && status <= 530
    ? textScript(status, `error code: ${status}`, { "content-type": "text/plain; charset=UTF-8" })
    : hubError(status, call.requestId, `status ${status}`, HUB_CODE);
};
export const anyStatus = refuseWith(statusOf);

// `localhost` is a different host from 127.0.0.1. If a client follows the redirect, `received` shows it.
export const redirect = refuseWith((call) =>
  textScript(302, "", { location: `http://localhost:${call.port}/v1/responses` }),
);
export const errorWith200 = hub(200, SATURATED, SATURATED_CODE);
export const unknownErrorWith200 = hub(200, "未知错误", { code: "mystery_42" });
export const notJson = refuseWith(() =>
  textScript(200, "upstream says hello", { "content-type": "text/plain; charset=utf-8" }),
);
const chatObject = (call: Call, object: string, choice: JsonObject): JsonObject => ({
  id: "chatcmpl-1",
  object,
  created: 1_763_827_200,
  model: call.model,
  choices: [{ index: 0, ...choice, finish_reason: "stop" }],
});
/** A relay that takes the request for one of Chat Completions. */
export const chatCompletion = refuseWith((call) =>
  call.stream
    ? textScript(
        200,
        `data: ${JSON.stringify(chatObject(call, "chat.completion.chunk", { delta: { content: "hi" } }))}\n\ndata: [DONE]\n\n`,
        { "content-type": "text/event-stream" },
      )
    : jsonScript(200, chatObject(call, "chat.completion", { message: { role: "assistant", content: "hi" } })),
);
/** The heartbeat sent its HTTP 200 before the error occurred. */
export const heartbeatError = refuseWith((call) => {
  const error = hubError(200, call.requestId, SATURATED, SATURATED_CODE);
  const [body = step("")] = error.steps;
  return call.stream
    ? {
        ...error,
        headers: { "content-type": "text/event-stream; charset=utf-8" },
        steps: [step("::PING\n\n"), step("data: "), body, step("\n\n")],
      }
    : { ...error, steps: [step("\n"), step("\n"), body] };
});

/** Refuses a body once and accepts it the second time. The third time counts as the first again. */
export const once = ({ instead }: Hooks): Hooks =>
  refuseWith((call, number) => {
    if (call.refusedOnce.delete(call.raw)) return undefined;
    call.refusedOnce.add(call.raw);
    return instead?.(call, number);
  });
/** Refuses a body that many times, then accepts it. */
export const times = ({ instead }: Hooks): Hooks =>
  refuseWith((call, number) => {
    for (let time = 1; time <= number; time += 1) {
      const key = `${time} ${call.raw}`;
      if (call.refusedOnce.has(key)) continue;
      call.refusedOnce.add(key);
      return instead?.(call, number);
    }
    return undefined;
  });
export const saturatedUntil = refuseWith((call, seconds) =>
  hubError(503, call.requestId, SATURATED, {}, { "retry-after": String(seconds) }),
);

function openaiErrorOfHub(status: number, message: string, code: string): Script {
  return textScript(status, JSON.stringify({ error: { code, message, type: "system_error" } }), {
    "content-type": "application/json; charset=utf-8",
  });
}
