// A backend that has lost a conversation says so in many ways. Each of them leads to one replay, before anything has reached the caller,
// on every route and in every form of the answer.
import { beforeEach, describe, expect, test } from "vitest";
import { isRecord, parseJson } from "../../src/core/lib/json.ts";
import type { LogFields } from "../../src/platform/log.ts";
import { createChainSupport } from "../../src/platform/chain-support.ts";
import { createRelayGateway, type RelayGateway, type Reply } from "../support/relay-gateway.ts";
import type { JsonObject } from "../support/relay-streams.ts";

const PARENT = "previous_response_id";
const error = (message: string, rest: object = {}): object => ({
  error: { message, type: "invalid_request_error", param: null, code: null, ...rest },
});

/** With `inStream`, `json` comes as an event after `response.created`. */
interface Refusal {
  status?: number;
  json: unknown;
  inStream?: true;
}

/** Ways to refuse a parent. */
const REFUSALS: Record<string, Refusal> = {
  "a code": { status: 400, json: error("gone", { code: "previous_response_not_found" }) },
  "a param": { status: 400, json: error("This backend keeps no state; send the conversation.", { param: PARENT }) },
  "a message": { status: 400, json: error("Previous response with id 'resp_1' not found.") },
  "an unknown parameter": {
    status: 400,
    json: error(`Unknown parameter: '${PARENT}'.`, { code: "unknown_parameter" }),
  },
  "404": { status: 404, json: error("No such response here.", { type: "not_found_error" }) },
  "404 with a code": { status: 404, json: error("gone", { code: "previous_response_not_found", param: PARENT }) },
  "404 without a word": { status: 404, json: null },
  "501": { status: 501, json: error(`${PARENT} is not supported`, { type: "server_error" }) },
  "a message, but another code and param": {
    status: 400,
    json: error(`${PARENT} can't be used here`, { code: "invalid_prompt", param: "store" }),
  },
  "404 with another code": { status: 404, json: error("Resource not found in deployment", { code: "context_lost" }) },
  "403 with a message": { status: 403, json: error(`You have no access to ${PARENT}.`) },
  "a title": { status: 400, json: { title: `${PARENT} invalid`, status: 400 } },
  "a field violation": {
    status: 400,
    json: { error: { code: 400, message: "x", details: [{ fieldViolations: [{ field: PARENT }] }] } },
  },
  "a detail": { status: 400, json: { detail: `${PARENT} is not supported` } },
  "a list of details": { status: 422, json: { detail: [{ loc: ["body", PARENT], msg: "Extra inputs", type: "x" }] } },
  "an error with status 200": { json: error("gone", { code: "previous_response_not_found", param: PARENT }) },
  "an error event": { json: { type: "error", ...error("gone", { param: PARENT }) }, inStream: true },
  "response.failed": {
    json: { type: "response.failed", response: { status: "failed", output: [], ...error(`Invalid ${PARENT}.`) } },
    inStream: true,
  },
};
/** Ways to refuse a tool's output whose call was lost. */
const ORPHANS: Record<string, Refusal> = {
  "OpenAI's words": {
    status: 400,
    json: error("No tool call found for function call output with call_id call_1.", { param: "input" }),
  },
  "other words": { status: 400, json: error("There is no call for the output call_1.", { param: "input" }) },
  "the chat API's words": {
    status: 400,
    json: error("messages with role 'tool' must be a response to a preceding message with 'tool_calls'"),
  },
  "a tool_call_id": { status: 422, json: { detail: "tool_call_id call_1 not found" } },
  "no known words": { status: 409, json: error("call_1 leads nowhere", { code: "x_17" }) },
  "its place in the input": { status: 400, json: error("Invalid.", { param: "input[0].call_id" }) },
  "a template's words": {
    status: 400,
    json: error("Message has tool role, but there was no previous assistant message with a tool call!"),
  },
  "response.failed": {
    json: {
      type: "response.failed",
      response: { status: "failed", output: [], error: { code: "x_17", message: "Unmatched output of call_1" } },
    },
    inStream: true,
  },
  "an error event": {
    json: { type: "error", ...error("No tool call found for function call output with call_id call_1.") },
    inStream: true,
  },
};

const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "Hello.", annotations: [] }],
};
const CALL = { id: "fc_1", type: "function_call", call_id: "call_1", name: "f", arguments: "{}", status: "completed" };
const TOOL = { type: "function", name: "f", parameters: { type: "object", properties: {} } };
const USAGE = { input_tokens: 3, output_tokens: 4, total_tokens: 7 };

/** Answers every call, with a call of the tool if it has a tool and no output yet. */
function answered(call: JsonObject): Reply {
  const hasOutput = JSON.stringify(call["input"]).includes("function_call_output");
  const response = {
    id: `resp_${JSON.stringify(call["input"]).length}`,
    object: "response",
    created_at: 1_796_000_000,
    status: "completed",
    model: call["model"],
    previous_response_id: call[PARENT] ?? null,
    output: [Array.isArray(call["tools"]) && !hasOutput ? CALL : MESSAGE],
    usage: USAGE,
    error: null,
  };
  return call["stream"] === true ? sse({ type: "response.completed", response }) : { json: response };
}

function sse(last: unknown): Reply {
  const response = { id: "resp_0", object: "response", status: "in_progress", output: [], [PARENT]: "x" };
  return eventsOf([{ type: "response.created", response }, last]);
}

function eventsOf(events: readonly unknown[]): Reply {
  return { chunks: events.map((event) => new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`)) };
}

function refused(call: JsonObject, { status, json, inStream }: Refusal): Reply {
  if (inStream !== true) return { json, ...(status === undefined ? {} : { status }) };
  if (call["stream"] === true) return sse(json);
  const { response } = json as { response?: object };
  return { json: response ?? json };
}

interface Answered {
  id: string;
  status: number;
  continuity: string | null;
  text: string;
  body: string;
}

let gateway: RelayGateway;
let logged: LogFields[];
let marks: string[];

beforeEach(async () => {
  logged = [];
  gateway = await createRelayGateway(
    { continuity: "auto" },
    {
      chainSupport: createChainSupport(() => 0),
      log: { request: (fields) => void logged.push(fields), warn: () => undefined, exception: () => undefined },
    },
  );
  marks = [];
});

async function ask(path: string, stream: boolean, body: object): Promise<Answered> {
  const response = await gateway.fetch(path, { body: { model: "m", stream, ...body } });
  const text = await response.text();
  await gateway.settled();
  marks = [...gateway.kv.keys()].filter((key) => key.startsWith("no-chain-support"));
  const json = stream
    ? text.split("\n").flatMap((line) => (line.startsWith("data: {") ? [parseJson(line.slice(6))] : []))
    : [parseJson(text)];
  const last = json.findLast(isRecord) ?? {};
  const object = isRecord(last["response"]) ? last["response"] : last;
  return {
    id: String(object["id"]),
    status: response.status,
    continuity: response.headers.get("x-continuity"),
    text: JSON.stringify(json),
    body: text,
  };
}

const FORMS = [
  ["/ask", false],
  ["/ask", true],
  ["/v1/responses", false],
  ["/v1/responses", true],
] as const;

describe.each(FORMS)("%s (stream: %s)", (path, stream) => {
  describe.each(Object.entries(REFUSALS))("refused by %s", (_way, refusal) => {
    test.each([false, true])(
      "the chain is replayed once, and the next follow-up at once (tools: %s)",
      async (hasTools) => {
        const fields = hasTools ? { tools: [TOOL] } : {};
        gateway.script(answered);
        const first = await ask(path, stream, { input: "one", ...fields });
        gateway.script((call) => (call[PARENT] === undefined ? answered(call) : refused(call, refusal)));
        const input = hasTools ? [{ type: "function_call_output", call_id: "call_1", output: "sunny" }] : "two";
        const second = await ask(path, stream, { input, [PARENT]: first.id, ...fields });
        expect(second).toMatchObject({ status: 200, continuity: "replayed" });
        expect(second.text).toContain("Hello.");
        expect(second.body).not.toMatch(/event: error|response\.failed/);
        // The first call, the refused one, and one paid replay.
        expect(gateway.calls).toHaveLength(3);
        const replay = gateway.calls[2] ?? {};
        expect(replay).not.toHaveProperty(PARENT);
        expect(replay["input"]).toEqual([
          { type: "message", role: "user", content: "one" },
          hasTools
            ? { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" }
            : { type: "message", role: "assistant", content: "Hello." },
          ...(hasTools ? (input as object[]) : [{ type: "message", role: "user", content: "two" }]),
        ]);
        expect(logged.at(-1)).toMatchObject({ continuity: "replayed", upstream_calls: 2, output_tokens: 4 });
        expect(marks).toHaveLength(1);
        // The model now counts as one without chain support, so upstream does not have to refuse the id again.
        expect(await ask(path, stream, { input: "three", [PARENT]: second.id, ...fields })).toMatchObject({
          continuity: "replayed",
        });
        expect(gateway.calls).toHaveLength(4);
      },
    );
  });

  test.each(Object.entries(ORPHANS))(
    "an orphaned output that is refused with %s leads to a replay, and the next follow-up is replayed at once",
    async (_way, refusal) => {
      gateway.script(answered);
      const first = await ask(path, stream, { input: "one", tools: [TOOL] });
      gateway.script((call) => (call[PARENT] === undefined ? answered(call) : refused(call, refusal)));
      const input = [{ type: "function_call_output", call_id: "call_1", output: "sunny" }];
      const second = await ask(path, stream, { input, [PARENT]: first.id, tools: [TOOL] });
      expect(second).toMatchObject({ status: 200, continuity: "replayed" });
      expect(gateway.calls).toHaveLength(3);
      await ask(path, stream, { input: "three", [PARENT]: second.id });
      expect(gateway.calls).toHaveLength(4);
    },
  );
});

test("if a model that has continued a chain orphans an output, the next follow-ups are replayed directly, but only in this isolate", async () => {
  gateway.script(answered);
  const first = await ask("/ask", false, { input: "one" });
  const second = await ask("/ask", false, { input: "two", [PARENT]: first.id, tools: [TOOL] });
  expect(second.continuity).toBe("upstream");
  gateway.script((call) =>
    call[PARENT] === undefined ? answered(call) : refused(call, ORPHANS["other words"] ?? { json: {} }),
  );
  const input = [{ type: "function_call_output", call_id: "call_1", output: "sunny" }];
  const third = await ask("/ask", false, { input, [PARENT]: second.id, tools: [TOOL] });
  await ask("/ask", false, { input: "four", [PARENT]: third.id });
  expect(gateway.calls).toHaveLength(5);
  expect(marks).toEqual([]);
});

test("if the replay is refused in the same way, the refusal is not remembered, and the caller gets upstream_rejected", async () => {
  gateway.script(answered);
  const first = await ask("/ask", false, { input: "one" });
  gateway.script({ status: 404, json: error("There is nothing at this address.") });
  const second = await ask("/ask", false, { input: "two", [PARENT]: first.id });
  expect(second.status).toBe(400);
  expect(second.text).toContain('"code":"upstream_rejected"');
  expect(gateway.calls).toHaveLength(3);
  expect(marks).toEqual([]);
});

test.each([
  ["an exhausted quota", { status: 429, json: error("Pay.", { code: "insufficient_quota" }) }],
  ["a wrong key", { status: 401, json: error("Invalid key.") }],
  ["a context that is too long", { status: 400, json: error("too long", { code: "context_length_exceeded" }) }],
  ["an unknown model", { status: 404, json: error("The model `m` does not exist.", { code: "model_not_found" }) }],
  ["a rate limit", { status: 400, json: error(`Rate limit reached for ${PARENT}`, { code: "rate_limit_exceeded" }) }],
  ["a content policy", { status: 400, json: error(`Flagged: ${PARENT}`, { code: "content_policy_violation" }) }],
  ["another field", { status: 400, json: error("Invalid schema for function 'f'.", { param: "tools[0].parameters" }) }],
  ["a failure that was maybe paid", { status: 500, json: error(`${PARENT} not found`, { type: "server_error" }) }],
])("%s is no lost chain", async (_what, refusal) => {
  gateway.script(answered);
  const first = await ask("/ask", false, { input: "one" });
  gateway.script(refusal);
  const second = await ask("/ask", false, { input: "two", [PARENT]: first.id });
  expect(second.status).toBeGreaterThanOrEqual(400);
  expect(gateway.calls).toHaveLength(2);
});

test("a refusal that comes after output is no lost chain", async () => {
  gateway.script(answered);
  const first = await ask("/v1/responses", true, { input: "one" });
  const delta = {
    type: "response.output_text.delta",
    item_id: "msg_1",
    output_index: 0,
    content_index: 0,
    delta: "He",
  };
  const late = { type: "error", ...error("gone", { code: "previous_response_not_found", param: PARENT }) };
  gateway.script((call) => {
    const response = { id: "resp_2", status: "in_progress", output: [], [PARENT]: call[PARENT] };
    return eventsOf([{ type: "response.created", response }, delta, late]);
  });
  // The stream of the answer breaks.
  await expect(ask("/v1/responses", true, { input: "two", [PARENT]: first.id })).rejects.toThrow("gone");
  expect(gateway.calls).toHaveLength(2);
});

test.each(["404", "501", "a param", "an unknown parameter"])(
  "if nothing can be replayed, a refusal by %s becomes previous_response_not_found",
  async (way) => {
    gateway.script(answered);
    const first = await ask("/v1/responses", false, { input: "one", store: false });
    const refusal = REFUSALS[way] ?? { json: {} };
    gateway.script((call) => refused(call, refusal));
    for (const id of [first.id, "resp_raw"]) {
      const second = await ask("/v1/responses", false, { input: "two", [PARENT]: id });
      expect(second.status).toBe(400);
      expect(second.body).toContain("previous_response_not_found");
    }
    expect(gateway.calls).toHaveLength(3);
  },
);

/** Calls of an answer, the item that answers each, and the call as it is replayed. */
const CALLS: [call: JsonObject, answer: JsonObject, replayed: JsonObject][] = [
  [
    { id: "mcpr_1", type: "mcp_approval_request", server_label: "s", name: "n", arguments: "{}" },
    { type: "mcp_approval_response", approval_request_id: "mcpr_1", approve: true },
    { id: "mcpr_1", type: "mcp_approval_request", server_label: "s", name: "n", arguments: "{}" },
  ],
  [
    { id: "cu_1", type: "computer_call", call_id: "call_1", action: { type: "screenshot" }, status: "completed" },
    {
      type: "computer_call_output",
      call_id: "call_1",
      output: { type: "computer_screenshot", image_url: "https://x" },
    },
    {
      id: "cu_1",
      type: "computer_call",
      call_id: "call_1",
      action: { type: "screenshot" },
      status: "completed",
      pending_safety_checks: [],
    },
  ],
  [
    { type: "apply_patch_call", call_id: "call_1", operation: { type: "delete_file", path: "a" } },
    { type: "apply_patch_call_output", call_id: "call_1", status: "completed" },
    { type: "apply_patch_call", call_id: "call_1", operation: { type: "delete_file", path: "a" }, status: "completed" },
  ],
  [
    { id: "sh_1", type: "shell_call", call_id: "call_1", action: { commands: ["ls"] }, status: "completed" },
    { type: "shell_call_output", call_id: "call_1", output: [] },
    { type: "shell_call", call_id: "call_1", action: { commands: ["ls"] } },
  ],
  [
    { id: "ctc_1", type: "custom_tool_call", call_id: "call_1", name: "f", input: "x", status: "completed" },
    { type: "custom_tool_call_output", call_id: "call_1", output: "y" },
    { type: "custom_tool_call", call_id: "call_1", name: "f", input: "x" },
  ],
];

describe.each(CALLS)("an answer with %j", (item, answer, replayed) => {
  test.each(FORMS)("is replayed before the new item that answers it, on %s (stream: %s)", async (path, stream) => {
    const withItem = (call: JsonObject): Reply => {
      const response = { id: "resp_1", status: "completed", model: "m", output: [item], usage: USAGE };
      return call["stream"] === true ? sse({ type: "response.completed", response }) : { json: response };
    };
    gateway.script(withItem);
    const first = await ask(path, stream, { input: "one" });
    const refusal = REFUSALS["a code"] ?? { json: {} };
    gateway.script((call) => (call[PARENT] === undefined ? answered(call) : refused(call, refusal)));
    const second = await ask(path, stream, { input: [answer], [PARENT]: first.id });
    expect(second).toMatchObject({ status: 200, continuity: "replayed" });
    expect(gateway.calls[2]?.["input"]).toEqual([{ type: "message", role: "user", content: "one" }, replayed, answer]);
  });
});
