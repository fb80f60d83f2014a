// Tests the families of the emulator's menu: each member changes what its name says, and nothing else.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { ask, type EmulatorAnswer, outputTextOf, terminalOf, typesOf } from "../emulator/ask.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { DRESSES, ERROR_FORMS, WHATS } from "../emulator/error-families.ts";
import { EVENTS } from "../emulator/event-families.ts";
import { asObject, asObjects, asText, type JsonObject } from "../emulator/json.ts";
import { FAMILIES } from "../emulator/menu.ts";

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(() => emulator.close());
beforeEach(() => emulator.clear());

const PLAIN = 'You said: "hi".';
const json = (name: string, fields: JsonObject = {}): Promise<EmulatorAnswer> =>
  ask(emulator, { model: `emulate/${name}`, input: "hi", ...fields });
const stream = (name: string): Promise<EmulatorAnswer> => json(name, { stream: true });
const names = (pattern: string): string[] =>
  Object.keys(FAMILIES.find((family) => family.pattern === pattern)?.members ?? {});
const typeOf = (event: string): string => `response.${event}`;
/** The part of the good stream that has every event: a refusal has events of its own. */
const baseOf = (event: string): string => (event.startsWith("refusal") ? "refusal" : "everything");
const countOf = (events: readonly JsonObject[], type: string): number =>
  events.filter((event) => event["type"] === type).length;

test("the good streams have every event that a family changes", async () => {
  const events = [...(await stream("everything")).events, ...(await stream("refusal")).events];
  for (const event of EVENTS) expect(typesOf(events)).toContain(typeOf(event));
});

describe.each(FAMILIES)("$pattern", ({ members }) => {
  test("every member answers or refuses as JSON and as a stream, and no two in the same way", async () => {
    const seen = new Map<string, string>();
    for (const name of Object.keys(members)) {
      const base = name.includes("refusal") ? "refusal" : "everything";
      const input = [
        { role: "user", content: "hi" },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "sealed" },
        { role: "user", content: "and" },
        { type: "message", role: "assistant", id: "msg_1", content: [] },
        { type: "function_call_output", call_id: "call_1", output: "o" },
      ];
      const given: JsonObject = name.startsWith("forgets-chain")
        ? { previous_response_id: "resp_1" }
        : name.startsWith("forgets-")
          ? { input: name.startsWith("forgets-items") ? input.slice(0, -1) : input }
          : {};
      const answers = [await json(`${base}+${name}`, given), await json(`${base}+${name}`, { ...given, stream: true })];
      for (const { status } of answers) expect(status).toBeGreaterThanOrEqual(200);
      const text = answers
        .map(({ status, headers, text: body }) => `${status} ${headers.get("content-type")} ${body}`)
        .join("\n")
        .replaceAll(
          /(?<=(?:rs|ws|msg|fc|call|resp)_)\w{16,}|"encrypted_content":"[^"]*"|created_at":\d+|completed_at":\d+/g,
          "",
        )
        .replaceAll(name, "")
        .replaceAll(/request id: \w+/g, "");
      expect(seen.get(text), name).toBe(undefined);
      seen.set(text, name);
    }
  });
});

test.each(EVENTS)("response.%s can be left out, doubled, moved and renamed", async (event) => {
  const count = async (operation: string): Promise<number> =>
    names(`${operation}-EVENT`).includes(`${operation}-${event}`)
      ? countOf((await stream(`${baseOf(event)}+${operation}-${event}`)).events, typeOf(event))
      : -1;
  const all = countOf((await stream(baseOf(event))).events, typeOf(event));
  expect(all).toBeGreaterThan(0);
  expect([await count("without"), await count("doubled"), await count("renamed")]).toEqual([0, 2 * all, 0]);
  expect([all, -1]).toContain(await count("early"));
  expect([all, -1]).toContain(await count("late"));
});

test("a moved event stands next to the first or the last one", async () => {
  const early = typesOf((await stream("everything+early-output_text.done")).events);
  const late = typesOf((await stream("everything+late-output_text.delta")).events);
  expect([early[1], late.at(-2), late.at(-1)]).toEqual([
    "response.output_text.done",
    "response.output_text.delta",
    "response.completed",
  ]);
});

test.each([
  ["hollow-output_item.done", "output_item.done", (event: JsonObject) => asObject(event["item"])?.["content"] ?? []],
  ["hollow-output_text.done", "output_text.done", (event: JsonObject) => event["text"]],
  ["hollow-completed", "completed", (event: JsonObject) => outputTextOf(asObject(event["response"]) ?? {})],
])("%s has nothing in it", async (name, event, contentOf) => {
  const found = (await stream(name)).events.find(({ type }) => type === typeOf(event)) ?? {};
  expect(contentOf(found)).toHaveLength(0);
});

test.each([
  ["without-field-item.id", '"item":{"id"'],
  ["without-field-output_index", '"output_index"'],
  ["without-field-response.usage", '"usage"'],
  ["without-field-part.annotations", '"annotations"'],
  ["without-field-type", 'data: {"type"'],
])("%s leaves that field out", async (name, absent) => {
  const { text } = await stream(name);
  expect(text).not.toContain(absent);
  expect((await stream("text")).text).toContain(absent);
});

test("the forms of items are those of their names, as JSON and in the stream", async () => {
  const forms: Record<string, unknown> = {};
  for (const form of ["content-as-text", "arguments-as-object", "summary-as-text"]) {
    const name = `everything+items-with-${form}`;
    const [answer, streamed] = [(await json(name)).json, terminalOf((await stream(name)).events)];
    const picked = (response: JsonObject): unknown[] =>
      asObjects(response["output"]).flatMap((item) =>
        [item["content"], item["arguments"], item["summary"]].filter(
          (value) => value !== undefined && !Array.isArray(value),
        ),
      );
    expect(picked(streamed)).toEqual(picked(answer));
    forms[form] = picked(answer);
  }
  expect(forms).toEqual({
    "content-as-text": [PLAIN, '{"city":"Oslo","days":3}'],
    "arguments-as-object": [{ city: "Oslo", days: 3 }],
    "summary-as-text": [expect.stringMatching(/^\*\*Reading/), '{"city":"Oslo","days":3}'],
  });
});

test("usage under other names is in the JSON answer and in the last event", async () => {
  for (const usage of [
    (await json("usage-chat-names")).json["usage"],
    terminalOf((await stream("usage-chat-names")).events)["usage"],
  ])
    expect(usage).toMatchObject({ prompt_tokens: 100_000, completion_tokens: 50_000, total_tokens: 150_000 });
});

test.each(Object.entries(WHATS))("%s is reported in each form and in each place", async (what, error) => {
  const last = { event: "error", failed: "response.failed", "late-event": "error", "late-failed": "response.failed" };
  for (const [name, form] of Object.entries(ERROR_FORMS).filter(([, each]) => each.what === what)) {
    const { status, text, events } = await stream(name);
    const types = typesOf(events);
    expect([status, types.at(-1), types.includes("response.output_text.delta")], name).toEqual([
      form.place === "status" ? error.status : 200,
      form.place === "status" || form.place === "200" ? undefined : last[form.place],
      form.place.startsWith("late"),
    ]);
    expect(text, name).toContain(error.message.slice(0, 12));
    expect(Object.keys(DRESSES)).toContain(form.dress);
  }
});

test.each(names("forgets-chain-WAY"))("%s refuses a follow-up only", async (name) => {
  expect(outputTextOf((await json(name)).json)).toBe(PLAIN);
  const refused = await json(name, { previous_response_id: "resp_1" });
  expect(asText(refused.json["status"]) ?? "").not.toBe("completed");
});

test.each(names("forgets-calls-WAY"))("%s refuses an output without its call only", async (name) => {
  const output = { type: "function_call_output", call_id: "call_1", output: "o" };
  const call = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
  expect((await json(name, { input: [output], previous_response_id: "resp_1" })).status).toBe(400);
  expect((await json(name, { input: [{ role: "user", content: "hi" }, call, output] })).status).toBe(200);
});
