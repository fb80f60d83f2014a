// What a refusal is about: the response to continue, the call of an output, items, or anything else. The refusals are generated: what is
// named, where, in which words, with which code, status and place. The same words about anything else are no such refusal.
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { upstreamProblem } from "../../src/core/upstream/upstream-error.ts";

const USER = { role: "user", content: "How is the weather?" };
const REASONING = { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "sealed" };
const MESSAGE = { id: "msg_1", type: "message", role: "assistant", content: "Let me look." };
const CALL = { id: "fc_1", type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
const OUTPUT = { type: "function_call_output", call_id: "call_1", output: "sunny" };
const MODEL = "gpt-6-luna";
const continued = (input: unknown, id = "resp_up9"): JsonObject => ({ model: MODEL, previous_response_id: id, input });

/** The follow-up of a conversation, an agent's follow-up with an output, and an agent's second request, which continues nothing. */
const FOLLOW_UP = continued([USER]);
const WITH_OUTPUT = continued([OUTPUT]);
const SECOND = { model: MODEL, input: [USER, REASONING, MESSAGE, CALL, OUTPUT] };

interface Refusal {
  message: string;
  code?: string | null;
  param?: string | null;
  type?: string | null;
}

/** Where a relay puts an error. Only the first one has an HTTP error status. */
const PLACES: Record<string, (status: number, error: object) => { status: number; body: unknown }> = {
  "an HTTP error": (status, error) => ({ status, body: { error } }),
  "a body with HTTP 200": (_, error) => ({ status: 200, body: { error } }),
  "an error event": (_, error) => ({ status: 200, body: { type: "error", error } }),
  "a failed response": (_, error) => ({ status: 200, body: { status: "failed", output: [], error } }),
};

function subjectOf(request: JsonObject, status: number, error: Refusal, place = "an HTTP error"): string | undefined {
  const fault = PLACES[place]?.(status, { type: "invalid_request_error", param: null, code: null, ...error });
  const { details } = upstreamProblem({ status: 200, body: null, ...fault, request }, []);
  return details.paid === "unpaid" && details.noSuchModel !== true ? details.refusalOf : undefined;
}

/** Lists the refusals that are not about `subject`. */
function escapes(
  subject: string | undefined,
  request: JsonObject,
  errors: readonly Refusal[],
  statuses: readonly number[],
  places: readonly string[] = Object.keys(PLACES),
): string[] {
  return errors.flatMap((error) =>
    places.flatMap((place) =>
      (place === "an HTTP error" ? statuses : [200]).flatMap((status) => {
        const found = subjectOf(request, status, error, place);
        return found === subject ? [] : [`${String(found)}: ${status} in ${place} ${JSON.stringify(error)}`];
      }),
    ),
  );
}

/** Every combination of the values of each key. */
function combine(choices: { [Key in keyof Refusal]-?: readonly Refusal[Key][] }): Refusal[] {
  return choices.message.flatMap((message) =>
    choices.code.flatMap((code) =>
      choices.param.flatMap((param) => choices.type.map((type) => ({ message, code, param, type }) as Refusal)),
    ),
  );
}

const REFUSING = [400, 404, 405, 409, 410, 412, 422, 451, 501];
const TYPES = ["invalid_request_error", "new_api_error", null];
/** No code, and codes that contradict the message or mean nothing here. */
const CODES = [
  null,
  "invalid_prompt",
  "unsupported_model_feature",
  "unknown_parameter",
  "string_above_max_length",
  "context_lost",
  "invalid_image_url",
  "1214",
];

describe("a refusal that names the parent is about the parent", () => {
  const NAMES = ["previous_response_id", "Previous response", "previousResponseId", "the response 'resp_up9'"];
  const WORDS = [
    "{} not found",
    "Unknown parameter: '{}'.",
    "{}: this model does not keep state",
    "You do not have access to {}",
    "当前渠道不支持 {} 参数",
    "Zero Data Retention: {} cannot be used",
  ];
  const messages = WORDS.flatMap((words) => NAMES.map((name) => words.replace("{}", name)));
  test("in its message, whatever its code, param, type, status and place are", () => {
    const errors = combine({ message: messages, code: CODES, param: [null, "store", "input"], type: TYPES });
    expect(escapes("parent", FOLLOW_UP, errors, [...REFUSING, 403])).toEqual([]);
  });
  test("in its param or code", () => {
    const errors = [
      ...combine({ message: ["gone", ""], code: CODES, param: ["previous_response_id", "response_id"], type: TYPES }),
      ...["previous_response_not_found", "InvalidParameter.PreviousResponseNotFound", "previous_response_expired"].map(
        (code) => ({ message: "gone", code }),
      ),
    ];
    expect(escapes("parent", FOLLOW_UP, errors, [...REFUSING, 403])).toEqual([]);
  });
  test.each(["r", "7", "resp_up9", "chatcmpl:9/x=", "resp.a+b"])("by its upstream id %s", (id) => {
    for (const words of ["{} is not known", "no '{}' here", "Resource {}: gone"]) {
      const error = { message: words.replace("{}", id) };
      expect(escapes("parent", continued([USER], id), [error], REFUSING, ["an HTTP error"])).toEqual([]);
    }
  });
});

test("words about stored conversations are about the parent, if they name nothing else", () => {
  const errors = [
    "This backend keeps no state; send the conversation.",
    "No stored response with this id was found.",
    "Conversation state is not available on this channel",
    "Prediction history node not found while attempting to build chat history chain",
    "Parent response is missing",
    "Cannot continue: unknown parent",
    "Stored responses are disabled",
    "Responses can't be chained",
    "Unable to retrieve the response to continue",
    "Context not found",
    "Session expired",
    "Multi-turn continuation is not supported on this channel",
    "该响应不存在或已过期",
  ].map((message) => ({ message }));
  const codes = ["conversation_state_unavailable", "session_expired", "ResponseNotFound", "thread_not_found"];
  errors.push(...codes.map((code) => ({ message: "gone", code })));
  expect(escapes("parent", FOLLOW_UP, errors, [400, 409, 410, 422, 404], ["an HTTP error"])).toEqual([]);
});

test("any 404 to a follow-up is about the parent, unless it is about the model", () => {
  const messages = [
    "",
    "Not Found",
    "Resource not found in deployment",
    "No cached context",
    `No response for ${MODEL}`,
  ];
  const errors = combine({
    message: [...messages, "The model server has no such entry"],
    code: [...CODES, "context_not_found", "not_found", "404", "server_error"],
    param: [null, "id", "input"],
    type: ["not_found", null],
  });
  expect(escapes("parent", FOLLOW_UP, errors, [404], ["an HTTP error"])).toEqual([]);
  const about = (message: string, rest: object = {}): Refusal => ({ message, ...rest });
  const models = [
    about(`The model \`${MODEL}\` does not exist.`),
    about(`The deployment ${MODEL} does not exist.`),
    about(`No endpoints found for ${MODEL}.`),
    about("no", { code: "model_not_found" }),
    about("The API deployment for this resource does not exist.", { code: "DeploymentNotFound" }),
    about("no", { param: "model" }),
  ];
  expect(escapes(undefined, FOLLOW_UP, models, [404], ["an HTTP error"])).toEqual([]);
});

/** How backends say that an output has no call. */
const ORPHANS = [
  "There is no call for the output call_1.",
  "The output call_1 belongs to no call.",
  "No tool call found for function call output with call_id call_1.",
  "No tool call found for custom tool call output.",
  "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
  "tool_use_id call_1 not found",
  "unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
  "function_call_output without matching function_call",
  "Could not find function call with id call_1",
  "call_1 is not a known call",
  "Invalid call_id: call_1",
  "Please ensure that function response turn comes immediately after a function call turn.",
  "Tool message has no corresponding tool call",
  "tool_call_id call_1 does not match any tool call",
  "Orphan tool result",
  "Unmatched function call output",
  "function_call_output item references a call that does not exist",
  "An assistant message with 'tool_calls' must precede tool messages",
  "tool call result does not follow tool call",
  "No pending tool call for call_1",
  "Tool call ID call_1 was not found in conversation",
  "The number of function response parts is not equal to number of function call parts",
  "未找到 call_1 对应的工具调用",
  "未找到对应的工具调用",
  "Message has tool role, but there was no previous assistant message with a tool call!",
  "function_call_output.call_id: call_1 not in history",
  "The tool output has no originating call",
  "tool result's tool id(call_1) not found (2013)",
  "Expected a function_call before function_call_output",
  "call_1: dangling tool output",
  "A tool output was submitted for an unknown tool invocation",
  "Unexpected role 'tool' after role 'user'",
  "Tool result arrived, but its call was never made",
  "Cannot pair the function output with a call",
  "tool role messages need an assistant message that has tool_calls",
  "An output for a function that nobody called",
  "function_call_output references a nonexistent call",
  "messages 参数非法：tool 角色前缺少 tool_calls",
  "Orphaned output",
  "No such call",
  "Unknown invocation",
];

describe("a refusal of an output whose call was lost is about the call", () => {
  test("in any words, with any status and in any place", () => {
    const errors = combine({
      message: ORPHANS,
      code: [null, "invalid_value", "bad_response_status_code"],
      param: [null, "input", "input[0].call_id", "messages.[0].role", "messages"],
      type: TYPES,
    });
    expect(escapes("calls", WITH_OUTPUT, errors, [400, 403, 409, 422])).toEqual([]);
  });
  test.each(["call_1", "c", "toolu_01", "chatcmpl-tool-7:1", "9"])("by the call's id %s", (id) => {
    const outputs = ["function_call_output", "custom_tool_call_output", "computer_call_output", "shell_call_output"];
    for (const type of outputs)
      for (const words of ["{} is unknown here", "Nothing fits '{}'", "bad link: {}"]) {
        const errors = combine({ message: [words.replace("{}", id)], code: CODES, param: [null, "x"], type: TYPES });
        const request = continued([{ type, call_id: id, output: "x" }]);
        expect(escapes("calls", request, errors, [400, 403, 409, 422], ["an HTTP error"])).toEqual([]);
      }
  });
  test("by the output's place in the input", () => {
    const errors = [
      "input[1]",
      "input.1",
      "input[1].call_id",
      "input.list[union][1].call_id",
      "/input/1/call_id",
      "$.input[1]",
    ].flatMap((path) => [{ message: "Invalid.", param: path }, { message: `Invalid '${path}'.` }]);
    expect(escapes("calls", continued([USER, OUTPUT]), errors, [400, 422])).toEqual([]);
  });
  test("but not if the request has no output, or continues nothing", () => {
    const errors = ORPHANS.map((message) => ({ message }));
    for (const request of [continued([USER]), { ...WITH_OUTPUT, previous_response_id: undefined }])
      for (const error of errors) expect(subjectOf(request, 400, error)).not.toBe("calls");
  });
  test("but not if it is about a call without an output, or about the tools", () => {
    const errors: Refusal[] = [
      { message: "No tool output found for function call call_1." },
      { message: "No tool output found for function call call_2." },
      {
        message:
          "An assistant message with 'tool_calls' must be followed by tool messages. These did not have response messages: call_2",
      },
      { message: "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_2." },
      { message: "Invalid schema for function 'f': array schema missing items.", param: "tools[0].parameters" },
      { message: "Invalid schema for function 'f': array schema missing items." },
      { message: "Invalid 'tools[0].function.name': no match", param: "tools[0].function.name" },
      { message: "Invalid 'tools[0].name': the call's result must match" },
      { message: "Function names must match ^[a-z]+$; the function call is invalid" },
      { message: "Tool choice 'f' was not found in 'tools'.", param: "tool_choice" },
      { message: "Unknown parameter: 'parallel_tool_calls'." },
      { message: "This model does not support tools with results" },
      { message: "Tool calls are not supported by this model" },
    ];
    expect(escapes(undefined, WITH_OUTPUT, errors, [400, 422], ["an HTTP error"])).toEqual([]);
  });
});

describe("a refusal of items is about items", () => {
  const WORDS = [
    "Item with id '{}' not found.",
    "{} unknown",
    "no such item: {}",
    "Referenced message {} does not belong to this account",
    "Duplicate item found with id {}. Remove duplicate items from your input and try again.",
    "Item '{}' of type 'reasoning' was provided without its required following item.",
    "The content of {} can't be read",
  ];
  test("by an id of the input, in any words, with any code, status and place", () => {
    const messages = WORDS.flatMap((words) => ["rs_1", "msg_1", "fc_1"].map((id) => words.replace("{}", id)));
    const errors = combine({ message: messages, code: CODES, param: [null, "input", "id"], type: TYPES });
    expect(escapes("items", SECOND, errors, [...REFUSING, 403])).toEqual([]);
  });
  test.each(["m", "7", "item_0", "a/b+c=", "x:1"])("by the id %s", (id) => {
    const request = { model: MODEL, input: [USER, { type: "item_reference", id }] };
    const errors = WORDS.map((words) => ({ message: words.replace("{}", id) }));
    expect(escapes("items", request, errors, [400, 403, 404, 422], ["an HTTP error"])).toEqual([]);
  });
  test("by a place in the input", () => {
    const keys = ["", ".id", ".type", ".status", ".encrypted_content", ".summary", ".content[0].parsed"];
    const paths = ["input[1]", "input.2", "input[3]", "input.list[union][2]"];
    const errors = paths.flatMap((path) =>
      keys.flatMap((key) => [
        { message: "Extra fields: id, status", param: `${path}${key}` },
        { message: `Unknown parameter: '${path}${key}'.`, code: "unknown_parameter" },
      ]),
    );
    expect(escapes("items", SECOND, errors, [400, 422, 404])).toEqual([]);
  });
  test("by content that only one backend can read", () => {
    const errors = combine({
      message: [
        "Reasoning input items can only be provided to a reasoning or computer use model. Remove reasoning items from your input and try again.",
        "unknown variant `reasoning`, expected one of `message`, `function_call`",
        "Failed to decrypt encrypted reasoning.",
        "Could not decrypt the specified reasoning content",
        "The encrypted content could not be verified.",
        "unrecognized field 'encrypted_content'",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "item reference not supported",
        "Item ids must be unique",
        "Extra inputs are not permitted",
        "推理内容无效",
        "Extra fields: id, status",
        "Unknown item type: reasoning",
        "Input should be a valid string",
      ],
      code: [null, "invalid_value", "invalid_request", "1214"],
      param: [null, "input", "input.str", "messages"],
      type: TYPES,
    });
    expect(escapes("items", SECOND, errors, [400, 404, 409, 422])).toEqual([]);
    const codes = ["invalid_encrypted_content", "item_not_found"].map((code) => ({ message: "no", code }));
    expect(escapes("items", SECOND, codes, [400, 404, 422], ["an HTTP error"])).toEqual([]);
  });
  test("by an id that only the stored conversation has", () => {
    const errors = ["rs_68ab unknown", "Message msg_9 can't be loaded", "fc_7: expired"].map((message) => ({
      message,
    }));
    expect(escapes("items", FOLLOW_UP, errors, [400, 404, 422])).toEqual([]);
  });
  test("if a 404 without details answers a request with an answer's items that continues nothing", () => {
    expect(escapes("items", SECOND, [{ message: "Not Found" }], [404], ["an HTTP error"])).toEqual([]);
    expect(subjectOf({ model: MODEL, input: [USER] }, 404, { message: "Not Found" })).toBeUndefined();
  });
});

describe("a refusal is about none of these", () => {
  const REQUESTS = [FOLLOW_UP, WITH_OUTPUT, SECOND, continued(SECOND.input)];
  const named = [
    "previous_response_id resp_up9 not found",
    "No tool call found for function call output with call_id call_1.",
    "Item with id 'rs_1' not found.",
  ];
  const everywhere = (errors: readonly Refusal[], statuses: readonly number[], places = ["an HTTP error"]): string[] =>
    REQUESTS.flatMap((request) => escapes(undefined, request, errors, statuses, places));

  test("if its status is that of a key, an account, a limit, a time-out or a failure", () => {
    const errors = combine({ message: named, code: [null, "unknown_parameter"], param: [null], type: TYPES });
    expect(everywhere(errors, [401, 402, 408, 425, 429, 499])).toEqual([]);
    expect(
      everywhere(combine({ message: named, code: [null], param: [null], type: TYPES }), [500, 502, 503, 504]),
    ).toEqual([]);
  });
  test("if it is about a quota, a rate, the context's length or a content policy", () => {
    const codes = [
      "insufficient_quota",
      "rate_limit_exceeded",
      "context_length_exceeded",
      "content_policy_violation",
      "sensitive_words_detected",
      "invalid_api_key",
      "server_is_overloaded",
    ];
    const words = [
      "You exceeded your current quota.",
      "Rate limit reached.",
      "This model's maximum context length is 8192 tokens.",
      "This request violates our content policy.",
      "余额不足",
    ];
    const errors = [
      ...combine({ message: named, code: codes, param: [null, "previous_response_id", "input"], type: [null] }),
      ...words.flatMap((word) => named.map((message) => ({ message: `${word} ${message}` }))),
    ];
    expect(everywhere(errors, [400, 422], Object.keys(PLACES))).toEqual([]);
  });
  test("if it may be a failure of upstream", () => {
    const errors = combine({
      message: named,
      code: ["server_error", "internal_error", "timeout"],
      param: [null],
      type: [null],
    });
    const failures = [
      "Internal error while loading previous_response_id",
      "Connection to resp_up9 lost",
      "no response",
      "The tool call call_1 failed without a result",
      "Reasoning was interrupted before any item",
      "The tool call's result took too much time",
      "Thinking",
      "An error occurred: the reasoning of rs_1 has no end",
    ];
    errors.push(...failures.map((message) => ({ message, type: null })));
    expect(everywhere(errors, [500], Object.keys(PLACES))).toEqual([]);
    const plain = { model: MODEL, input: [USER] };
    const words = ["Invalid reasoning", "The item is not complete", "No function call output"];
    for (const place of Object.keys(PLACES))
      for (const message of words) {
        const fault = PLACES[place]?.(500, { message }) ?? { status: 500, body: {} };
        expect(upstreamProblem({ ...fault, request: plain }, []).details.paid).toBe("maybe");
      }
  });
  test("if it says that the input is too long, or that an output must be short", () => {
    const messages = [
      "Input tokens exceed the limit of 8000 tokens. Shorten the conversation; its history is not cut.",
      "Please reduce the length of the messages: no response fits into 8000 tokens",
      "max_output_tokens must be at least 16",
      "Structured outputs are not available here",
    ];
    const errors: Refusal[] = messages.map((message) => ({ message }));
    for (const code of ["context_window_exceeded", "daily_quota_reached", "RequestTooLarge"])
      errors.push(...named.map((message) => ({ message, code })));
    expect(everywhere(errors, [400, 422])).toEqual([]);
  });
  test("if it is about another setting", () => {
    const errors: Refusal[] = [
      {
        message: "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
        param: "reasoning.effort",
      },
      { message: "Unsupported parameter: 'reasoning.effort' is not supported with this model." },
      { message: "Unknown parameter: 'reasoning_effort'." },
      { message: "thinking.budget_tokens must be smaller than max_tokens" },
      { message: "Invalid value: 'reasoning.encrypted_content'.", param: "include[0]" },
      { message: "Invalid response format", param: "text.format" },
      { message: "Invalid response_format" },
      { message: "Unsupported parameter: 'temperature'.", param: "temperature" },
      { message: "Invalid image", code: "invalid_image_url" },
      { message: "Bad.", param: "tools" },
    ];
    expect(everywhere(errors, [400, 422])).toEqual([]);
  });
  test("if the account has no access, and it names no part of the request", () => {
    const messages = ["This key has no conversation history.", "Your plan has no function call results.", ""];
    expect(
      everywhere(
        messages.map((message) => ({ message })),
        [403],
      ),
    ).toEqual([]);
  });
  test("if the body of the request is not known", () => {
    for (const message of named)
      expect(upstreamProblem({ status: 400, body: { error: { message } } }, []).details).not.toHaveProperty(
        "refusalOf",
      );
  });
});

test("a message of more than a million characters is read within a test's time limit", () => {
  for (const part of ["previous ", "'a ", "no call ", "item ", "input[", "input.1.", "response ", "tool output ", "_"])
    for (const request of [FOLLOW_UP, WITH_OUTPUT, SECOND])
      expect(() => subjectOf(request, 400, { message: part.repeat(200_000) })).not.toThrow();
});
