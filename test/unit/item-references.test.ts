// The second request of an agent: it refers to items of the first answer, or sends them back with their ids, and upstream's backends share
// nothing.
import { beforeEach, describe, expect, test } from "vitest";
import { resolveReferences } from "../../src/answer/item-index.ts";
import { isRecord, parseJson } from "../../src/core/lib/json.ts";
import type { LogFields } from "../../src/platform/log.ts";
import { createHarness } from "../support/answer-harness.ts";
import { createRelayGateway, type RelayGateway, type Reply } from "../support/relay-gateway.ts";
import type { JsonObject } from "../support/relay-streams.ts";

const REASONING = { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "sealed" };
const MESSAGE = {
  id: "msg_10000000000000000",
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "Let me look.", annotations: [] }],
};
const SEARCH = { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "x" } };
const CUSTOM = {
  id: "ctc_10000000000000000",
  type: "custom_tool_call",
  call_id: "call_2",
  name: "g",
  input: "x",
  status: "completed",
};
const CALL = { id: "fc_1", type: "function_call", call_id: "call_1", name: "f", arguments: "{}", status: "completed" };
const OUTPUT = { type: "function_call_output", call_id: "call_1", output: "sunny" };
const CUSTOM_OUTPUT = { type: "custom_tool_call_output", call_id: "call_2", output: "y" };
const ANSWER = {
  ...MESSAGE,
  id: "msg_20000000000000000",
  content: [{ type: "output_text", text: "It is sunny.", annotations: [] }],
};
const USER = { role: "user", content: "How is the weather?" };
const reference = (id: string): JsonObject => ({ type: "item_reference", id });
const portableMessage = { type: "message", role: "assistant", content: "Let me look." };
const portableCall = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
const portableCustom = { type: "custom_tool_call", call_id: "call_2", name: "g", input: "x" };

function answered(call: JsonObject): Reply {
  const isSecond = JSON.stringify(call["input"]).includes("call_output");
  const response = {
    id: "resp_1",
    object: "response",
    created_at: 1_796_000_000,
    status: "completed",
    model: call["model"],
    previous_response_id: call["previous_response_id"] ?? null,
    output: isSecond ? [ANSWER] : [REASONING, SEARCH, MESSAGE, CALL, CUSTOM],
    usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
    error: null,
  };
  if (call["stream"] !== true) return { json: response };
  const event = `data: ${JSON.stringify({ type: "response.completed", response })}\n\n`;
  return { chunks: [new TextEncoder().encode(event)] };
}

let gateway: RelayGateway;
let logged: LogFields[];
const log = {
  request: (fields: LogFields) => void logged.push(fields),
  warn: () => undefined,
  exception: () => undefined,
};

beforeEach(async () => {
  logged = [];
  gateway = await createRelayGateway({ continuity: "auto" }, { log });
  gateway.script(answered);
});

interface Answered {
  status: number;
  json: JsonObject;
  text: string;
}

async function send(input: unknown, fields: object = {}, path = "/v1/responses"): Promise<Answered> {
  const response = await gateway.fetch(path, { body: { model: "m", input, ...fields } });
  const text = await response.text();
  await gateway.settled();
  const json = parseJson(
    text.startsWith("{") ? text : (text.match(/data: (\{.*)\n\n(?:data: \[DONE\]\n\n)?$/s)?.[1] ?? ""),
  );
  return { status: response.status, json: isRecord(json) ? json : {}, text };
}
const itemKeys = (): string[] =>
  [...gateway.kv.keys()].filter((key) => key.startsWith("item:")).map((key) => key.split(":")[3] ?? "");

describe.each([false, true])("with stream: %s", (stream) => {
  test("references to items of an answer are replaced with the items, or left out, before upstream is called", async () => {
    await send([USER], { stream });
    const input = [
      USER,
      reference("rs_1"),
      reference("ws_1"),
      { id: "msg_10000000000000000" },
      CALL,
      { type: null, id: "ctc_10000000000000000" },
      OUTPUT,
      CUSTOM_OUTPUT,
    ];
    const second = await send(input, { stream });
    expect(second.status).toBe(200);
    expect(second.text).toContain("It is sunny.");
    expect(gateway.calls).toHaveLength(2);
    expect(gateway.calls[1]?.["input"]).toEqual([USER, portableMessage, CALL, portableCustom, OUTPUT, CUSTOM_OUTPUT]);
  });

  test("an unknown reference gets OpenAI's 404, and upstream is not called", async () => {
    const { status, json } = await send([USER, reference("msg_9")], { stream });
    expect(status).toBe(404);
    expect(json["error"]).toMatchObject({
      message: "Item with id 'msg_9' not found.",
      type: "invalid_request_error",
      param: "input",
    });
    expect(JSON.stringify(json)).toContain("item_not_found");
    expect(gateway.calls).toEqual([]);
  });

  test("nothing is indexed on /ask, or with store: false", async () => {
    await send([USER], { stream }, "/ask");
    await send([USER], { stream, store: false });
    expect(itemKeys()).toEqual([]);
  });
});

describe("if a relay gives one short id to messages of several turns", () => {
  const answerWith = (text: string): Reply => ({
    json: { status: "completed", output: [{ ...MESSAGE, id: "msg_0", content: [{ type: "output_text", text }] }] },
  });
  const ask = async (text: string, ...input: JsonObject[]): Promise<JsonObject[]> => {
    gateway.script(answerWith(text));
    expect((await send(input)).status).toBe(200);
    return (gateway.calls.at(-1)?.["input"] as JsonObject[] | undefined) ?? [];
  };
  const user = (content: string): JsonObject => ({ role: "user", content });
  const assistant = (content: string): JsonObject => ({ type: "message", role: "assistant", content });

  test("each reference finds the message of its own conversation", async () => {
    await ask("for Ada", user("I am Ada."));
    await ask("for Bob", user("I am Bob."));
    const ada = [user("I am Ada."), reference("msg_0"), user("And now?")];
    expect(await ask("Ada again", ...ada)).toEqual([user("I am Ada."), assistant("for Ada"), user("And now?")]);
    expect(await ask("Ada, third", ...ada, reference("msg_0"), user("So?"))).toEqual([
      user("I am Ada."),
      assistant("for Ada"),
      user("And now?"),
      assistant("Ada again"),
      user("So?"),
    ]);
    expect((await ask("Bob again", user("I am Bob."), reference("msg_0"), user("Hm?")))[1]).toEqual(
      assistant("for Bob"),
    );
  });

  test("a reference in a conversation with another beginning is unknown, so it never finds another's text", async () => {
    await ask("for Ada", user("I am Ada."));
    await ask("for Bob", user("I am Bob."));
    expect((await send([user("I am Eve."), reference("msg_0"), user("Hm?")])).status).toBe(404);
  });

  test("messages with the same text may all be meant", async () => {
    await ask("Hello.", user("I am Ada."));
    await ask("Hello.", user("I am Bob."));
    expect((await ask("x", user("Shortened."), reference("msg_0"), user("Hm?")))[1]).toEqual(assistant("Hello."));
  });

  test("the messages of other turns remain when one turn is deleted", async () => {
    gateway.script(answerWith("for Ada"));
    const { json } = await send([user("I am Ada.")]);
    await ask("for Bob", user("I am Bob."));
    expect((await gateway.fetch(`/v1/responses/${String(json["id"])}`, { method: "DELETE" })).status).toBe(200);
    expect((await ask("x", user("I am Bob."), reference("msg_0"), user("Hm?")))[1]).toEqual(assistant("for Bob"));
  });
});

test("an id at two separate places is refused, because a relay gave it to two items; adjacent references, as for a message's parts, are not", async () => {
  await send([USER]);
  const { status, json } = await send([
    USER,
    reference("msg_10000000000000000"),
    USER,
    reference("msg_10000000000000000"),
    USER,
  ]);
  expect([status, (json["error"] as JsonObject)["param"]]).toEqual([400, "input"]);
  expect(JSON.stringify(json)).toContain("msg_10000000000000000");
  expect(
    (await send([USER, reference("msg_10000000000000000"), reference("msg_10000000000000000"), USER])).status,
  ).toBe(200);
  expect(gateway.calls).toHaveLength(2);
});

test("messages and calls are indexed, except function calls, which clients send whole", async () => {
  await send([USER]);
  expect(itemKeys().toSorted()).toEqual(["ctc_10000000000000000", "msg_10000000000000000"]);
});

test("a reasoning item whose id does not show its type is left out, too", async () => {
  const reasoning = { ...REASONING, id: "thought-7" };
  gateway.script({ json: { status: "completed", output: [reasoning, { ...MESSAGE, id: "m-10000000000000000000" }] } });
  await send([USER]);
  gateway.script(answered);
  await send([
    USER,
    reference("thought-7"),
    reference("m-10000000000000000000"),
    reference("m-10000000000000000000"),
    CALL,
    OUTPUT,
  ]);
  expect(gateway.calls[1]?.["input"]).toEqual([USER, portableMessage, CALL, OUTPUT]);
});

test("the stored turn has the items themselves, so that it can be replayed", async () => {
  await send([USER]);
  const second = await send([USER, reference("msg_10000000000000000"), CALL, OUTPUT]);
  gateway.script((call) =>
    call["previous_response_id"] === undefined ? answered(call) : { status: 404, json: { error: { message: "gone" } } },
  );
  const third = await send("And tomorrow?", { previous_response_id: second.json["id"] });
  expect(third.status).toBe(200);
  expect(gateway.calls.at(-1)?.["input"]).toEqual([
    USER,
    portableMessage,
    portableCall,
    OUTPUT,
    { type: "message", role: "assistant", content: "It is sunny." },
    { type: "message", role: "user", content: "And tomorrow?" },
  ]);
});

test("the items of a deleted turn are gone", async () => {
  const { json } = await send([USER]);
  expect((await gateway.fetch(`/v1/responses/${String(json["id"])}`, { method: "DELETE" })).status).toBe(200);
  expect(itemKeys()).toEqual([]);
  expect((await send([USER, reference("msg_10000000000000000")])).status).toBe(404);
});

test.each([[{}], [{ id: 7 }], [{ id: null }]])(
  "a reference with the id of %j is refused, naming the field",
  async (fields) => {
    const { status, json } = await send([USER, { type: "item_reference", ...fields }]);
    expect([status, (json["error"] as JsonObject)["param"]]).toEqual([400, "input[1].id"]);
    expect(gateway.calls).toEqual([]);
  },
);

test("more than a thousand references are refused", async () => {
  const references = Array.from({ length: 1_001 }, (_, at) => reference(`msg_${at}`));
  expect((await send([USER, ...references])).status).toBe(400);
});

test("without stored turns, references are sent as they are, and those of reasoning are left out if upstream refuses them", async () => {
  gateway = await createRelayGateway({ turns: false, continuity: "auto" }, { log });
  gateway.script((call) => {
    const isRefused = JSON.stringify(call["input"]).includes("item_reference");
    return isRefused ? { status: 404, json: { error: { message: "Item with id 'rs_1' not found." } } } : answered(call);
  });
  expect((await send([USER, reference("rs_1"), CALL, OUTPUT])).status).toBe(200);
  expect(gateway.calls.map((call) => call["input"])).toEqual([
    [USER, reference("rs_1"), CALL, OUTPUT],
    [USER, portableCall, OUTPUT],
  ]);
  expect((await send([USER, reference("msg_10000000000000000"), CALL, OUTPUT])).status).toBe(404);
  expect(gateway.calls).toHaveLength(3);
});

test("a response waits until the items are in KV, but at most 300 ms", async () => {
  const sleeps: number[] = [];
  let finishWrite: (() => void) | undefined;
  const written = new Promise<void>((resolve) => (finishWrite = resolve));
  const { deps } = await createHarness();
  const store = { ...deps.store, write: () => written.then(() => true) };
  const sleep = async (ms: number): Promise<void> => void sleeps.push(ms);
  gateway = await createRelayGateway({ continuity: "auto" }, { store, sleep });
  gateway.script(answered);
  const response = await gateway.fetch("/v1/responses", { body: { model: "m", input: [USER] } });
  expect(response.status).toBe(200);
  expect(sleeps).toEqual([300]);
  finishWrite?.();
  await gateway.settled();
});

test("an item that KV does not show yet is known in its own isolate, and elsewhere when KV shows it", async () => {
  const { deps, kv, advance } = await createHarness({}, 700);
  const text = JSON.stringify({ v: 1, items: [{ turn: "resp_1", item: portableMessage }] });
  deps.recentItems.set("item:v1:ada:msg_10000000000000000", text);
  await kv.write("item:v1:ada:msg_10000000000000000", text, 60);
  expect(await resolveReferences(deps, "ada", [reference("msg_10000000000000000")])).toEqual([portableMessage]);
  await expect(resolveReferences(deps, "bob", [reference("msg_10000000000000000")])).rejects.toMatchObject({
    code: "item_not_found",
  });
  advance(60_000);
  await kv.write("item:v1:ada:msg_20000000000000000", text, 60);
  advance(700);
  expect(await resolveReferences(deps, "ada", [reference("msg_20000000000000000")])).toEqual([portableMessage]);
});

/** Refusals of items, and the items that upstream refuses in this way. */
const REFUSALS: Record<string, { status: number; error: object; refuses: RegExp }> = {
  "an unknown reasoning item": {
    status: 404,
    error: { message: "Item with id 'rs_1' not found.", param: "input" },
    refuses: /"rs_1"/,
  },
  "an unknown item id": {
    status: 400,
    error: { message: "Item with id 'msg_10000000000000000' not found." },
    refuses: /"msg_10000000000000000"/,
  },
  "sealed content": {
    status: 400,
    error: { message: "no", code: "invalid_encrypted_content" },
    refuses: /encrypted_content/,
  },
  "a missing neighbor": {
    status: 400,
    error: {
      message: "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
    },
    refuses: /"fc_1"/,
  },
  "an id as such": {
    status: 400,
    error: { message: "Unknown parameter: 'input[2].id'.", param: "input[2].id", code: "unknown_parameter" },
    refuses: /"id"/,
  },
  "a key that OpenAI's own SDK adds to a call": {
    status: 400,
    error: {
      message: "Unknown parameter: 'input[3].parsed_arguments'.",
      param: "input[3].parsed_arguments",
      code: "unknown_parameter",
    },
    refuses: /"parsed_arguments"/,
  },
  "a key that OpenAI's own SDK adds to a part": {
    status: 400,
    error: {
      message: "Unknown parameter: 'input[2].content[0].parsed'.",
      param: "input[2].content[0].parsed",
      code: "unknown_parameter",
    },
    refuses: /"parsed"/,
  },
  "reasoning items as such": {
    status: 422,
    error: { message: "Input should be 'message' or 'function_call'", param: "input[1].type" },
    refuses: /"reasoning"/,
  },
  "a short id in other words": { status: 400, error: { message: "rs_1 unknown" }, refuses: /"rs_1"/ },
  "an id with status 403": { status: 403, error: { message: "Item 'rs_1' not found" }, refuses: /"rs_1"/ },
  "an item's owner": {
    status: 400,
    error: { message: "Referenced message msg_10000000000000000 does not belong to this account" },
    refuses: /"msg_10000000000000000"/,
  },
  "reasoning by a model that does not reason": {
    status: 400,
    error: {
      message: "Reasoning input items can only be provided to a reasoning or computer use model.",
      param: "input",
    },
    refuses: /"reasoning"/,
  },
  "an unknown variant": {
    status: 422,
    error: { message: "unknown variant `reasoning`, expected one of `message`, `function_call`" },
    refuses: /"reasoning"/,
  },
  "sealed content in other words": {
    status: 400,
    error: { message: "Failed to decrypt encrypted reasoning." },
    refuses: /encrypted_content/,
  },
  "extra fields": {
    status: 400,
    error: { message: "Extra fields: id, status", param: "input[2]" },
    refuses: /"id":"msg_10000000000000000"/,
  },
  "a bare 404": { status: 404, error: { message: "Not Found" }, refuses: /"id"/ },
};

describe.each(["/ask", "/v1/responses"])("on %s", (path) => {
  describe.each([false, true])("with stream: %s", (stream) => {
    test.each(Object.entries(REFUSALS))(
      "a refusal of %s is repaired once",
      async (_what, { status, error, refuses }) => {
        gateway.script((call) =>
          refuses.test(JSON.stringify(call["input"])) ? { status, json: { error } } : answered(call),
        );
        const message = { ...MESSAGE, content: MESSAGE.content.map((part) => ({ ...part, parsed: null })) };
        const call = { ...CALL, parsed_arguments: {} };
        const { status: answerStatus, text } = await send([USER, REASONING, message, call, OUTPUT], { stream }, path);
        expect(answerStatus).toBe(200);
        expect(text).toContain("It is sunny.");
        expect(gateway.calls).toHaveLength(2);
        expect(gateway.calls[1]?.["input"]).toEqual([USER, portableMessage, portableCall, OUTPUT]);
        expect(logged.at(-1)).toMatchObject({ upstream_calls: 2, output_tokens: 4 });
      },
    );
  });
});

test.each([
  ["an error event", (error: object) => ({ type: "error", error })],
  [
    "response.failed",
    (error: object) => ({ type: "response.failed", response: { status: "failed", output: [], error } }),
  ],
])("a refusal of items as %s is repaired before anything reaches the caller", async (_what, eventOf) => {
  const error = {
    message: "Item with id 'rs_1' not found.",
    type: "invalid_request_error",
    param: "input",
    code: null,
  };
  const created = { type: "response.created", response: { id: "resp_0", status: "in_progress", output: [] } };
  const events = [created, eventOf(error)].map((event) =>
    new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`),
  );
  gateway.script((call) => (JSON.stringify(call["input"]).includes("rs_1") ? { chunks: events } : answered(call)));
  const { status, text } = await send([USER, REASONING, CALL, OUTPUT], { stream: true });
  expect(status).toBe(200);
  expect(text).toContain("It is sunny.");
  expect(text).not.toContain("rs_1");
  expect(gateway.calls).toHaveLength(2);
});

test("the repair of a follow-up continues by id, and is replayed if the chain is lost, too", async () => {
  const first = await send([USER]);
  gateway.script((call) => {
    if (JSON.stringify(call["input"]).includes("rs_1"))
      return { status: 404, json: { error: { message: "Item with id 'rs_1' not found." } } };
    if (call["previous_response_id"] !== undefined)
      return { status: 400, json: { error: { message: "gone", code: "previous_response_not_found" } } };
    return answered(call);
  });
  const second = await send([REASONING, OUTPUT, CUSTOM_OUTPUT], { previous_response_id: first.json["id"] });
  expect(second.status).toBe(200);
  expect(gateway.calls.slice(1).map((call) => [call["previous_response_id"] !== undefined, call["input"]])).toEqual([
    [true, [REASONING, OUTPUT, CUSTOM_OUTPUT]],
    [true, [OUTPUT, CUSTOM_OUTPUT]],
    [false, [USER, portableMessage, portableCall, portableCustom, OUTPUT, CUSTOM_OUTPUT]],
  ]);
  expect(logged.at(-1)).toMatchObject({ upstream_calls: 3 });
});

test("if items are refused in a follow-up that can't be replayed, the caller gets upstream's error", async () => {
  const first = await send([USER], { store: false });
  gateway.script({ status: 404, json: { error: { message: "Item with id 'rs_1' not found." } } });
  for (const id of [first.json["id"], "resp_raw"]) {
    const { status, text } = await send([REASONING, OUTPUT], { previous_response_id: id });
    expect(status).toBe(404);
    expect(text).toContain("rs_1");
  }
});

test("if items are refused again, the caller gets the first error; if the second call fails in another way, the caller gets that error", async () => {
  const words = (message: string): Reply => ({ status: 400, json: { error: { message } } });
  let count = 0;
  gateway.script(() => words(`Item with id '${(count += 1) === 1 ? "rs_1" : "x_2"}' not found.`));
  expect((await send([USER, REASONING])).text).toContain("rs_1");
  count = 0;
  gateway.script(() => ((count += 1) === 1 ? words("Item with id 'rs_1' not found.") : { status: 500, json: {} }));
  expect((await send([USER, REASONING])).status).toBe(502);
});

test("a repaired call goes to the model that refused the items, and the wait for a busy upstream is not repeated", async () => {
  const presets = { p: { model: "gone", fallback: ["m"] } };
  gateway = await createRelayGateway({ continuity: "auto", presets }, { log });
  gateway.script((call) => {
    if (call["model"] === "gone") return { status: 404, json: { error: { message: "no", code: "model_not_found" } } };
    if (JSON.stringify(call["input"]).includes("rs_1"))
      return { status: 404, json: { error: { message: "Item with id 'rs_1' not found." } } };
    return answered(call);
  });
  const response = await gateway.fetch("/ask", { body: { preset: "p", input: [USER, REASONING] } });
  expect(response.status).toBe(200);
  await response.text();
  await gateway.settled();
  expect(gateway.calls.map((call) => call["model"])).toEqual(["gone", "m", "m"]);
  expect(logged.at(-1)).toMatchObject({ upstream_calls: 3 });

  let count = 0;
  gateway.script(() => {
    const isRefused = (count += 1) === 2;
    const error = { message: isRefused ? "Item with id 'rs_1' not found." : "Wait." };
    return { status: isRefused ? 404 : 503, headers: { "retry-after": "1" }, json: { error } };
  });
  expect((await send([USER, REASONING, OUTPUT], {}, "/ask")).status).toBe(503);
  expect(count).toBe(3);
});

test.each([
  [
    "there is nothing to leave out",
    [USER],
    { status: 400, json: { error: { message: "Item with id 'x' not found." } } },
  ],
  [
    "the call was maybe paid",
    [USER, REASONING],
    { status: 500, json: { error: { message: "Item with id 'rs_1' not found." } } },
  ],
  [
    "the refusal is about something else",
    [USER, REASONING],
    { status: 400, json: { error: { message: "Bad.", param: "tools" } } },
  ],
])("nothing is repaired if %s", async (_why, input, reply) => {
  gateway.script(reply);
  expect((await send(input)).status).toBeGreaterThanOrEqual(400);
  expect(gateway.calls).toHaveLength(1);
});
