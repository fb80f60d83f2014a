// Merges one upstream stream into a response that has everything that any event contains about an item. relay-sweep.test.ts has the
// general rules.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWholeResponse } from "../../src/core/upstream/whole-response.ts";
import { type EventBatch, eventType, isErrorEvent, type UpstreamEvent } from "../../src/core/upstream/event.ts";
import {
  eventsOfResponse,
  repairAnyResponse,
  repairResponse,
  StreamRepair,
  type Terminal,
} from "../../src/core/upstream/stream-repair.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { trim } from "../../src/core/reply/trim.ts";

type Event = JsonObject & { type: string };
const createdEvent = (response: JsonObject): Event => ({ type: "response.created", response });
const completedEvent = (response: JsonObject): Event => ({ type: "response.completed", response });
const delta = (text: string, output_index = 0): Event => ({
  type: "response.output_text.delta",
  output_index,
  delta: text,
});
const itemDone = (item: JsonObject, output_index = 0): Event => ({
  type: "response.output_item.done",
  output_index,
  item,
});
const itemAdded = (item: JsonObject, output_index = 0): Event => ({
  type: "response.output_item.added",
  output_index,
  item,
});
const message = (text: string, more: JsonObject = {}): JsonObject => ({
  type: "message",
  content: [{ type: "output_text", text }],
  ...more,
});

const random = (): string => "0123456789abcdef";
const upstreamEvent = (data: Event): UpstreamEvent => ({ type: data.type, data, frame: undefined });

function assemble(...events: Event[]): Terminal | undefined {
  const repair = new StreamRepair({ random, now: 1, live: undefined });
  let terminal: Terminal | undefined;
  for (const event of events) terminal ??= repair.push(upstreamEvent(event), []);
  return terminal;
}
function responseOf(...events: Event[]): JsonObject {
  const terminal = assemble(...events);
  if (terminal?.kind !== "response") throw new Error("no response at the end");
  return terminal.response;
}
const answerOf = (...events: Event[]) =>
  trim(responseOf(...events), { id: "x", previousId: null, now: 0, model: "", wantsData: false });

describe("the id of the answer", () => {
  test("the terminal event's id is used if the id changes within the stream", () => {
    expect(responseOf(createdEvent({ id: "resp_a" }), completedEvent({ id: "resp_b", output: [] }))["id"]).toBe(
      "resp_b",
    );
  });
  test.each([undefined, null, "", 7])("the first event's id is used if the terminal one is %j", (id) => {
    expect(responseOf(createdEvent({ id: "resp_a" }), completedEvent(id === undefined ? {} : { id }))["id"]).toBe(
      "resp_a",
    );
  });
  test("if no event has an id, the result has no id", () => {
    expect(responseOf(completedEvent({ output: [] }))["id"]).toBeUndefined();
  });
});

describe("the merged response", () => {
  test("usage in an early event is not the answer's usage", () => {
    const usage = { input_tokens: 100, output_tokens: 1, total_tokens: 101 };
    for (const end of [completedEvent({}), completedEvent({ usage: null }), { type: "response.completed" }])
      expect(responseOf(createdEvent({ id: "a", usage }), delta("Hi"), end)["usage"] ?? null).toBeNull();
  });

  test("the terminal event's fields override the first event's", () => {
    const response = responseOf(
      createdEvent({ id: "a", model: "m", usage: null, metadata: {} }),
      completedEvent({ usage: { input_tokens: 1 } }),
    );
    expect(response).toMatchObject({ id: "a", model: "m", usage: { input_tokens: 1 }, metadata: {} });
  });

  test.each([
    ["the finished item", "Hel", "Hello", ""],
    ["the terminal response", "Hel", "", "Hello"],
    ["the deltas", "Hello", "Hel", ""],
    ["the terminal response, if a delta was lost", "Hlo", "", "Hello"],
  ])("the longest text wins: that of %s", (_, streamed, finished, terminal) => {
    const events = [delta(streamed), itemDone(message(finished)), completedEvent({ output: [message(terminal)] })];
    expect(answerOf(...events).text).toBe("Hello");
  });

  test.each([
    ["a number", 12, "12"],
    ["a part", { type: "text_delta", text: "Hi" }, "Hi"],
    ["missing", undefined, ""],
    ["null", null, ""],
  ])("a delta that is %s is read", (_, value, text) => {
    expect(answerOf({ ...delta(""), delta: value }, completedEvent({ output: [] })).text).toBe(text);
  });

  test.each([[{}], [["Hi"]], [true]])(
    "a delta that is %j is an error, because it may be text that is lost",
    (value) => {
      const read = (): unknown => answerOf({ ...delta(""), delta: value }, completedEvent({ output: [message("Hi")] }));
      expect(read).toThrow(expect.objectContaining({ code: "upstream_invalid_response" }));
    },
  );

  test("a finished item that has only the second of two parts does not change the first", () => {
    const parts = ["One ", "two."].map((text) => ({ type: "output_text", text }));
    const deltas = ["One ", "two."].map((text, content_index) => ({ ...delta(text), content_index }));
    const item = { type: "message", content: parts.slice(1) };
    expect(answerOf(...deltas, itemDone(item), completedEvent({ output: [item] })).text).toBe("One two.");
  });

  test.each(["response.output_text.done", "response.content_part.done"])(
    "%s with another index than the deltas belongs to the part with its text",
    (type) => {
      const done = { type, output_index: 0, content_index: 1, text: "Hi", part: { type: "output_text", text: "Hi" } };
      const textDone = { type: "response.output_text.done", output_index: 0, content_index: 0, text: "Hi" };
      expect(answerOf(delta("Hi"), textDone, done, completedEvent({ output: [] })).text).toBe("Hi");
    },
  );

  test("an item that the terminal output lacks is added", () => {
    const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" };
    const answer = answerOf(itemDone(call), itemDone(message("Hi"), 1), completedEvent({ output: [message("Hi")] }));
    expect(answer).toMatchObject({ text: "Hi", tool_calls: [{ call_id: "c" }] });
  });

  test.each([[[]], [null], [undefined]])("if the terminal output is %j, the finished items are used", (output) => {
    const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" };
    const answer = answerOf(delta("a"), itemDone(message("ab")), itemDone(call, 1), completedEvent({ output }));
    expect(answer.text).toBe("ab");
    expect(answer.tool_calls).toHaveLength(1);
  });

  test("with neither output nor items, the deltas are used", () => {
    expect(answerOf(delta("Hel"), delta("lo"), completedEvent({})).text).toBe("Hello");
  });

  test("if no item is a message, the deltas are still used", () => {
    const answer = answerOf(
      itemDone({ type: "reasoning", summary: [{ text: "Hm." }] }),
      delta("Hello", 1),
      completedEvent({ output: [] }),
    );
    expect(answer).toMatchObject({ text: "Hello", reasoning_summary: "Hm." });
  });

  test("commentary is not part of a text made from deltas", () => {
    const events = [
      itemAdded({ type: "message", phase: "commentary" }),
      delta("hm "),
      itemAdded({ type: "message", phase: "final_answer" }, 1),
      delta("yes", 1),
    ];
    expect(answerOf(...events, completedEvent({})).text).toBe("yes");
  });

  test.each<[string, object, object]>([
    ["the deltas", { output_index: undefined }, {}],
    ["the finished item", {}, { output_index: undefined }],
    ["both", { output_index: undefined }, { output_index: undefined }],
  ])("no text is duplicated if %s has no index", (_, bareDelta, bareDone) => {
    expect(
      answerOf({ ...delta("Hello"), ...bareDelta }, { ...itemDone(message("Hello")), ...bareDone }, completedEvent({}))
        .text,
    ).toBe("Hello");
  });

  test("a refusal may arrive in deltas only", () => {
    const refusal: Event = { type: "response.refusal.delta", output_index: 0, delta: "No." };
    expect(answerOf(refusal, completedEvent({ output: [] }))).toMatchObject({ text: "", refusal: "No." });
  });

  test("the shortcut output_text is used and does not hide finished calls", () => {
    expect(answerOf(completedEvent({ output: [], output_text: "Hi" })).text).toBe("Hi");
    const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" };
    expect(answerOf(itemDone(call), completedEvent({ output: [], output_text: "Hi" }))).toMatchObject({
      text: "Hi",
      tool_calls: [{ call_id: "c" }],
    });
  });
});

describe("the end of a stream", () => {
  test("an error has `hasOutput`, because a call with output before the error may have been paid", () => {
    const error = { type: "error", code: "rate_limit_exceeded" };
    expect(assemble(createdEvent({}), error)).toMatchObject({ kind: "error", hasOutput: false });
    expect(assemble(createdEvent({}), delta("a"), error)).toMatchObject({ kind: "error", hasOutput: true });
    const failed = { type: "response.failed", response: { error: { code: "rate_limit_exceeded" } } };
    expect(assemble(createdEvent({}), failed)).toMatchObject({
      kind: "error",
      body: failed.response,
      hasOutput: false,
    });
  });

  test.each([
    ["response.completed", "completed"],
    ["response.incomplete", "incomplete"],
    ["response.cancelled", "cancelled"],
    ["response.done", "completed"],
  ])("the response in %s is %s if it has no final status of its own", (type, status) => {
    expect(responseOf(createdEvent({ status: "in_progress" }), { type, response: {} })["status"]).toBe(status);
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    expect(responseOf(delta("a"), { type, response: { status: "in_progress", usage } })["status"]).toBe(status);
    expect(responseOf({ type, response: { status: "a status of tomorrow" } })["status"]).toBe(status);
    expect(responseOf(delta("a"), { type })["status"]).toBe(status);
  });

  test("a response with a final status ends the stream, whatever the event is called", () => {
    const response = { status: "completed", output: [message("Hi")] };
    expect(assemble({ type: "response.relay_end", response })).toMatchObject({ kind: "response" });
    expect(assemble(delta("Hi"), { type: "response.in_progress", response })).toMatchObject({ kind: "response" });
  });

  test("a response that is already completed in every event does not end the stream before its end", () => {
    const response = { id: "resp_a", status: "completed" };
    const events = [createdEvent(response), { ...itemAdded({ ...message(""), content: [] }), response }];
    const rest = [{ type: "response.in_progress", response }, { ...delta("Hi"), response }, completedEvent(response)];
    expect(answerOf(...events, ...rest).text).toBe("Hi");
    expect(answerOf(delta("Hi"), { type: "response.relay_end", response }).text).toBe("Hi");
  });

  test("other events don't end the stream", () => {
    for (const event of [
      createdEvent({ status: "completed" }),
      delta("a"),
      { type: "response.completed", item: {} },
      { type: "response.completed", response: { status: "in_progress" } },
      { type: "keepalive" },
      { type: "" },
    ]) {
      expect(assemble(event), event.type).toBeUndefined();
    }
  });

  test.each<[string, JsonObject, boolean]>([
    ["error", { type: "error", code: "x", message: "flat" }, true],
    ["error", { type: "error", error: { code: "nested" } }, true],
    ["", { error: { code: "alone" } }, true],
    ["message", { error: { code: "under another name" } }, true],
    ["response.created", { error: { code: "of a response" } }, true],
    ["response.created", { response: {}, error: { code: "beside a response" } }, false],
    ["", { error: null }, false],
    ["", { error: "text" }, false],
  ])("an event of type %j with the data %j is an error: %s", (type, data, error) => {
    expect(isErrorEvent(type, data)).toBe(error);
    expect(assemble({ ...data, type })?.kind).toBe(error ? "error" : undefined);
  });

  test("an event's type comes from its data, else from its event line", () => {
    expect(eventType({ type: "a" }, "b")).toBe("a");
    expect(eventType({}, "b")).toBe("b");
    expect(eventType({ type: 7 }, "")).toBe("");
    expect(eventType({ type: "response.created" }, "error")).toBe("response.created");
  });

  test("a bare error after the line `event: error` is an error event, even if its own type is one of OpenAI's error types", () => {
    expect(eventType({ type: "invalid_request_error", code: "x", message: "m" }, "error")).toBe("error");
  });
});

test("an id that a relay gives to two items identifies neither; their indexes do", () => {
  const call = (n: number): JsonObject => ({ type: "function_call", id: "fc_1", call_id: `call_${n}`, name: "f" });
  const delta = (n: number): Event => ({
    type: "response.function_call_arguments.delta",
    item_id: "fc_1",
    output_index: n,
    delta: `{"n":${n}}`,
  });
  const done = (n: number): Event => itemDone({ ...call(n), arguments: `{"n":${n}}` }, n);
  const events = [itemAdded(call(0), 0), itemAdded(call(1), 1), delta(0), delta(1), done(0), done(1)];
  for (const terminal of [{ output: [] }, { output: [done(0)["item"], done(1)["item"]] }]) {
    const calls = answerOf(...events, completedEvent(terminal)).tool_calls;
    expect(calls?.map(({ call_id, arguments: text }) => [call_id, text])).toEqual([
      ["call_0", '{"n":0}'],
      ["call_1", '{"n":1}'],
    ]);
  }
});

describe("calls and messages that share ids", () => {
  const call = (n: number, id: string, call_id: string): JsonObject => ({
    type: "function_call",
    id,
    call_id,
    name: "f",
    arguments: `{"n":${n}}`,
  });
  const whole = (n: number, index: number, id: string, call_id: string): Event[] => [
    itemAdded({ ...call(n, id, call_id), arguments: "" }, index),
    {
      type: "response.function_call_arguments.delta",
      item_id: id,
      output_index: index,
      delta: `{"n":${n}}`,
    },
    itemDone(call(n, id, call_id), index),
  ];
  const argumentsOf = (...events: Event[]): string[] | undefined =>
    answerOf(...events).tool_calls?.map(({ arguments: text }) => text);

  test.each([
    ["share an item id", [0, 1], ["fc_1", "fc_1"], ["call_0", "call_1"]],
    ["share an item id and an index", [0, 0], ["fc_1", "fc_1"], ["call_0", "call_1"]],
    ["share a call id", [0, 1], ["fc_0", "fc_1"], ["call_0", "call_0"]],
  ])(
    "calls that %s stay two calls, with call ids of their own",
    (_, [i = 0, j = 0], [a = "", b = ""], [c = "", d = ""]) => {
      const output = [call(0, a, c), call(1, b, d)];
      for (const terminal of [[], output]) {
        const answer = answerOf(...whole(0, i, a, c), ...whole(1, j, b, d), completedEvent({ output: terminal }));
        expect(answer.tool_calls?.map(({ arguments: text }) => text)).toEqual(['{"n":0}', '{"n":1}']);
        expect(new Set(answer.tool_calls?.map(({ call_id }) => call_id)).size).toBe(2);
      }
    },
  );

  test.each([
    ["in the event that finishes it", [itemDone(call(0, "fc_0", "call_other"), 0)], []],
    ["in the terminal response", [itemDone(call(0, "fc_0", "call_0"), 0)], [call(0, "fc_0", "call_other")]],
    ["in the terminal response, without an id", [], [{ ...call(0, "", "call_other"), id: undefined }]],
  ])("a call whose call id changes %s is one call", (_, finished, output) => {
    const begun = whole(0, 0, "fc_0", "call_0").slice(0, 2);
    expect(argumentsOf(...begun, ...finished, completedEvent({ output }))).toEqual(['{"n":0}']);
  });

  test("two messages with one id keep their order", () => {
    const [one, two] = [message("One ", { id: "msg_1" }), message("two.", { id: "msg_1" })];
    const events = [itemDone(one, 0), itemDone(two, 1), completedEvent({ output: [one, two] })];
    expect(answerOf(...events).text).toBe("One two.");
  });
});

test("an event that a relay repeats to keep the connection open is sent once", () => {
  const repair = new StreamRepair({ random, now: 1, live: "all" });
  const out: EventBatch = [];
  const response = { id: "r", status: "in_progress" };
  for (let n = 0; n < 5; n += 1) {
    repair.push(upstreamEvent({ type: "response.in_progress", response }), out);
    repair.push(upstreamEvent({ type: "response.queued", response }), out);
  }
  expect(out.map(({ type }) => type)).toEqual(["response.created", "response.in_progress", "response.queued"]);
});

test("an endless stream is abandoned before it fills the memory", () => {
  const repair = new StreamRepair({ random, now: 1, live: undefined });
  const bytes = new Uint8Array(1_048_576);
  const endless = (): void => {
    for (let n = 0; n < 100; n += 1) repair.push(upstreamEvent(delta("x".repeat(bytes.length))), [], bytes);
  };
  expect(endless).toThrow(
    expect.objectContaining({
      code: "upstream_invalid_response",
      details: expect.objectContaining({ paid: "maybe" }) as object,
    }),
  );
});

test.each<[string, (n: number) => Event]>([
  ["items with an index", (n) => itemDone({ type: "function_call", call_id: `c${n}`, name: "f", arguments: "" }, n)],
  ["items without an index", (n) => ({ ...itemDone(message(`${n}`)), output_index: undefined })],
  ["items that are never finished", (n) => itemAdded({ type: "message" }, n)],
  ["parts", (n) => ({ ...delta("a"), content_index: n })],
])("the number of %s is limited, because each event may search through those before it", (_, eventAt) => {
  const run = (count: number): void => {
    const repair = new StreamRepair({ random, now: 1, live: undefined });
    for (let n = 0; n < count; n += 1) repair.push(upstreamEvent(eventAt(n)), []);
    repair.push(upstreamEvent(completedEvent({ output: [] })), []);
  };
  run(4_000);
  expect(() => run(5_000)).toThrow(expect.objectContaining({ code: "upstream_invalid_response" }));
});

describe("a response that was not streamed", () => {
  const outputOf = (response: JsonObject): unknown => {
    const terminal = repairResponse({ status: "completed", ...response }, { random, now: 1 });
    return terminal.kind === "response"
      ? trim(terminal.response, { id: "x", previousId: null, now: 0, model: "", wantsData: false }).text
      : terminal;
  };
  const part = { type: "output_text", text: "Hi" };

  test("is returned unchanged only if the repair would not change it", () => {
    /** Mostly the first value, so that some responses are whole. */
    const mostly = <T>(value: T, ...others: T[]): fc.Arbitrary<T> =>
      fc.oneof({ weight: 9, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
    const Id = fc.oneof(fc.stringMatching(/^[a-z]{1,3}_\d{1,2}$/), mostly<unknown>("msg_1", "", 7, "x".repeat(65)));
    const Text = mostly<unknown>("Hi", "", "\ud83d", 7, null);
    const List = mostly<unknown>([], [{}], [7], null);
    const Part = fc.record({
      type: mostly("output_text", "text", "refusal"),
      text: Text,
      annotations: List,
      logprobs: List,
    });
    const Status = mostly<string | undefined>("completed", "incomplete", "in_progress", undefined);
    const Message = fc.record({
      id: Id,
      type: fc.constant("message"),
      role: mostly<string | undefined>("assistant", undefined),
      status: Status,
      content: fc.oneof({ weight: 9, arbitrary: fc.array(Part, { maxLength: 2 }) }, fc.constant("Hi")),
    });
    const Call = fc.record({
      id: Id,
      type: fc.constant("function_call"),
      call_id: Id,
      name: mostly("f", ""),
      arguments: mostly<unknown>("{}", "", { a: 1 }),
      status: Status,
    });
    const Response = fc.record({
      status: Status,
      created_at: mostly<unknown>(1_796_000_000, 1_796_000_000_000, "1", undefined),
      output: fc.array(fc.oneof(Message, Call), { maxLength: 2 }),
    });
    let whole = 0;
    fc.assert(
      fc.property(Response, (response) => {
        if (!isWholeResponse(response as JsonObject)) return;
        whole += 1;
        const repaired = repairAnyResponse(response as JsonObject, { random, now: 1 });
        expect(repaired).toEqual({ kind: "response", response });
      }),
      { numRuns: 5_000, seed: 15 },
    );
    expect(whole).toBeGreaterThan(10);
  });

  test.each<[string, JsonObject]>([
    ["content as a part", { output: [{ type: "message", content: part }] }],
    ["content as a list in a list", { output: [{ type: "message", content: [[part]] }] }],
    ["a text with a value", { output: [{ type: "message", content: [{ type: "text", text: { value: "Hi" } }] }] }],
    ["a part with content", { output: [{ type: "message", content: [{ type: "output_text", content: "Hi" }] }] }],
    ["one item as output", { output: { type: "message", content: [part] } }],
    ["a string as output", { output: "Hi" }],
    ["strings in the output", { output: ["Hi"] }],
    ["parts in the output", { output: [part] }],
    ["Message with a capital letter", { output: [{ type: "Message", content: [part] }] }],
    ["output_text beside a hollow message", { output: [{ type: "message", content: [] }], output_text: "Hi" }],
    [
      "a message that is listed twice",
      {
        output: [
          { id: "msg_1", type: "message", content: [part] },
          { id: "msg_1", type: "message", content: [part] },
        ],
      },
    ],
  ])("is read with %s", (_, response) => {
    expect(outputOf(response)).toBe("Hi");
  });

  test.each<[string, JsonObject]>([
    ["content that can't be read", { output: [{ type: "message", content: [{ value: "Hi" }] }] }],
    ["the status in_progress and no output", { status: "in_progress", output: [] }],
    ["the status queued and no output", { status: "queued", output: [] }],
  ])("is an error with %s", (_, response) => {
    expect(() => outputOf(response)).toThrow(expect.objectContaining({ code: "upstream_invalid_response" }));
  });

  test("is incomplete if it has output, but says that it is in progress", () => {
    const terminal = repairResponse({ status: "in_progress", output: [message("Hi")] }, { random, now: 1 });
    expect(terminal).toMatchObject({ kind: "response", response: { status: "incomplete" } });
  });

  test("is complete: ids, statuses, arguments as text, content as parts", () => {
    const response = {
      id: "r",
      status: "completed",
      output: [
        { type: "reasoning", summary: "Hm." },
        { role: "assistant", content: "Hello" },
        { type: "function_call", call_id: "c", name: "f", arguments: { city: "Oslo" } },
      ],
    };
    const terminal = repairResponse(response, { random, now: 1 });
    expect(terminal).toEqual({
      kind: "response",
      response: {
        id: "r",
        created_at: 1,
        status: "completed",
        output: [
          {
            id: "rs_0123456789abcdef",
            type: "reasoning",
            status: "completed",
            summary: [{ type: "summary_text", text: "Hm." }],
          },
          {
            id: "msg_0123456789abcdef",
            type: "message",
            role: "assistant",
            status: "completed",
            content: [{ type: "output_text", text: "Hello", annotations: [], logprobs: [] }],
          },
          {
            id: "fc_0123456789abcdef",
            type: "function_call",
            call_id: "c",
            name: "f",
            arguments: '{"city":"Oslo"}',
            status: "completed",
          },
        ],
      },
    });
  });

  test("gives the same events every time, and the same response at their end", () => {
    const response = { id: "r", status: "incomplete", output: [message("Hi", { id: "msg_1" })] };
    const terminal = repairResponse(response, { random, now: 1 });
    if (terminal.kind !== "response") throw new Error("no response");
    const events: EventBatch = eventsOfResponse(terminal.response);
    expect(events).toEqual(eventsOfResponse(terminal.response));
    expect(events.at(-1)).toMatchObject({ type: "response.incomplete", data: { response: terminal.response } });
    expect(events.map(({ type }) => type.replace("response.", ""))).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "content_part.added",
      "output_text.delta",
      "output_text.done",
      "content_part.done",
      "output_item.done",
      "incomplete",
    ]);
  });

  test("that failed is an error, which is maybe paid if it has output", () => {
    const failed = { status: "failed", error: { code: "server_error" }, output: [] };
    expect(repairResponse(failed, { random, now: 1 })).toMatchObject({ kind: "error", body: failed, hasOutput: false });
    expect(repairResponse({ ...failed, output: [message("a")] }, { random, now: 1 })).toMatchObject({
      hasOutput: true,
    });
  });
});
