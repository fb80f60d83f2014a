// Assembles one upstream stream: the terminal response is used, and earlier events supply the items that it lacks.
import { describe, expect, test } from "vitest";
import { Assembly, eventType, isErrorEvent, type Terminal } from "../../src/core/upstream/assembly.ts";
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

function assemble(...events: Event[]): Terminal | undefined {
  const assembly = new Assembly();
  let terminal: Terminal | undefined;
  for (const event of events) terminal ??= assembly.add(event.type, event);
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

describe("items that the terminal event omits", () => {
  test("the terminal event's fields override the first event's", () => {
    const response = responseOf(
      createdEvent({ id: "a", model: "m", usage: null, metadata: {} }),
      completedEvent({ usage: { input_tokens: 1 } }),
    );
    expect(response).toMatchObject({ id: "a", model: "m", usage: { input_tokens: 1 }, metadata: {} });
  });

  test("the terminal event's output is used if it has one", () => {
    expect(
      answerOf(delta("streamed"), itemDone(message("item")), completedEvent({ output: [message("terminal")] })).text,
    ).toBe("terminal");
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
    const end = (...events: JsonObject[]): Terminal | undefined => {
      const assembly = new Assembly();
      return events.map((event) => assembly.add(String(event["type"]), event)).at(-1);
    };
    expect(end(createdEvent({}), error)).toMatchObject({ kind: "error", hasOutput: false });
    expect(end(createdEvent({}), delta("a"), error)).toMatchObject({ kind: "error", hasOutput: true });
  });

  test.each([
    ["response.completed", "completed"],
    ["response.incomplete", "incomplete"],
    ["response.failed", "failed"],
    ["response.cancelled", "cancelled"],
  ])("the response in %s, if it has no status of its own, is %s", (type, status) => {
    expect(responseOf(createdEvent({ status: "in_progress" }), { type, response: {} })["status"]).toBe(status);
    expect(responseOf({ type, response: { status: "in_progress" } })["status"]).toBe(status);
    expect(responseOf({ type, response: { status: "of its own" } })["status"]).toBe("of its own");
  });

  test("other events don't end the stream", () => {
    for (const event of [
      createdEvent({ status: "completed" }),
      delta("a"),
      { type: "response.completed" },
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
    expect(new Assembly().add(type, data)?.kind).toBe(error ? "error" : undefined);
  });

  test("an event's type comes from its data, else from its event line", () => {
    expect(eventType({ type: "a" }, "b")).toBe("a");
    expect(eventType({}, "b")).toBe("b");
    expect(eventType({ type: 7 }, "")).toBe("");
  });
});

test("an endless stream is abandoned before it fills the memory", () => {
  const assembly = new Assembly();
  const delta = "x".repeat(1_048_576);
  const endless = (): void => {
    for (let n = 0; n < 100; n += 1) assembly.add("response.output_text.delta", { output_index: 0, delta });
  };
  expect(endless).toThrow(
    expect.objectContaining({
      code: "upstream_invalid_response",
      details: expect.objectContaining({ paid: "maybe" }) as object,
    }),
  );
});

test.each<[string, (n: number) => number | undefined]>([
  ["with an index", (n) => n],
  ["without an index", () => undefined],
])("the time to finish a message %s does not grow with the number of items", (_, indexOf) => {
  const timeFor = (item: JsonObject): number => {
    const assembly = new Assembly();
    const begin = performance.now();
    for (let n = 0; n < 20_000; n += 1) assembly.add("response.output_item.done", { output_index: indexOf(n), item });
    return performance.now() - begin;
  };
  const fastest = (item: JsonObject): number => Math.min(...[1, 2, 3].map(() => timeFor(item)));
  // Any other item is finished in constant time. A search of all items takes more than 50 times as long.
  expect(fastest(message("")) / fastest({ type: "function_call" })).toBeLessThan(15);
});
