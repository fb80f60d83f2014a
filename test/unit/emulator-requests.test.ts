// The emulator's streams, function calls, refusals, and its routes other than POST /v1/responses.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { ask, outputTextOf, terminalOf, typesOf } from "../emulator/ask.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { asObjects, asText, type Json, type JsonObject } from "../emulator/json.ts";

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(() => emulator.close());
beforeEach(() => emulator.clear());

const model = "gpt-6-sol";
const say = async (input: Json, fields: JsonObject = {}): Promise<JsonObject> => {
  const answer = await ask(emulator, { model, input, ...fields });
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
};
const idOf = (response: JsonObject): string => asText(response["id"]) ?? "";
const errorOf = async (body: JsonObject): Promise<Json | undefined> =>
  (await ask(emulator, { model, ...body })).json["error"];
const output = (response: JsonObject): JsonObject[] => asObjects(response["output"]);

test("GET /emulator/requests lists the requests whose body contains a given string", async () => {
  await say("the first of two");
  await say("the second of two");
  const countRequestsWith = async (text: string): Promise<number> => {
    const listed = await fetch(`${emulator.url}/emulator/requests?holds=${encodeURIComponent(text)}`);
    return ((await listed.json()) as { requests: unknown[] }).requests.length;
  };
  expect(await Promise.all(["of two", "the second", "neither", ""].map(countRequestsWith))).toEqual([2, 1, 0, 2]);
});

test("an integer beyond 2^53 in a request comes back as it was written", async () => {
  const parameters = '{"type":"object","properties":{"n":{"type":"integer","maximum":9223372036854775807}}}';
  const body = `{"model":"${model}","input":"hi","tool_choice":"none","tools":[{"type":"function","name":"f","parameters":${parameters}}]}`;
  for (const raw of [body, body.replace("{", '{"stream":true,')])
    expect((await ask(emulator, raw)).text).toContain(`"parameters":${parameters}`);
});

describe("streams", () => {
  test("the events of a text answer have OpenAI's order, and their text equals the JSON answer's", async () => {
    const answer = await ask(emulator, { model, input: "hi", stream: true });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    expect(typesOf(answer.events)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(answer.events.map((event) => event["sequence_number"])).toEqual([...answer.events.keys()]);
    const deltas = answer.events.map((event) => event["delta"] ?? "").join("");
    expect(deltas).toBe('You said: "hi".');
    expect(outputTextOf(terminalOf(answer.events))).toBe(outputTextOf(await say("hi")));
    expect(answer.text).not.toContain("[DONE]");
    expect(emulator.received[0]).toMatchObject({ ended: "complete", events_sent: 11 });
  });

  test("a streamed response can be continued", async () => {
    const answer = await ask(emulator, { model, input: "a", stream: true });
    const previous_response_id = idOf(terminalOf(answer.events));
    expect(outputTextOf(await say("b", { previous_response_id }))).toContain("Turn 2.");
  });

  test("reasoning, search and function calls have their own events", async () => {
    const answer = await ask(emulator, {
      model,
      input: "hi",
      stream: true,
      reasoning: { summary: "auto" },
      tools: [{ type: "web_search_preview" }],
    });
    const types = new Set(typesOf(answer.events));
    for (const type of [
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.web_search_call.searching",
      "response.output_text.annotation.added",
    ]) {
      expect(types).toContain(type);
    }
    const tools = [{ type: "function", name: "look_up" }];
    const called = await ask(emulator, { model, input: "hi", stream: true, tools });
    expect(typesOf(called.events).slice(2, -1)).toEqual([
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
    ]);
  });

  test("a client that disconnects mid-stream is recorded, and its response is not stored", async () => {
    const body = { model: "emulate/stall", input: "hi", stream: true };
    const answer = await ask(emulator, body, {
      disconnectWhen: (text) => text.includes("delta"),
    });
    await expect.poll(() => emulator.received[0]?.ended).toBe("client_left");
    expect(emulator.received[0]?.events_sent).toBeLessThan(11);
    const previous_response_id = /resp_\w+/.exec(answer.text)?.[0] ?? "";
    expect(await errorOf({ input: "x", previous_response_id })).toMatchObject({
      code: "previous_response_not_found",
    });
  });

  test("a paced stream gives the same text", async () => {
    const paced = await startEmulator({ paceMs: 1 });
    const answer = await ask(paced, { model, input: "hi", stream: true });
    await paced.close();
    expect(outputTextOf(terminalOf(answer.events))).toBe('You said: "hi".');
  });
});

describe("function tools", () => {
  const parameters = {
    type: "object",
    properties: { city: { type: "string", minLength: 2 }, days: { type: "integer", minimum: 3 } },
    required: ["city", "days"],
  };
  const weather = { type: "function", name: "weather", parameters };
  const tools = [weather, { type: "function", name: "time" }];

  test("a function call, its output, and an answer that shows the output", async () => {
    const first = await say("Oslo", { tools });
    const [call] = output(first);
    expect(call).toMatchObject({
      type: "function_call",
      name: "weather",
      arguments: '{"city":"Oslo","days":3}',
    });
    const previous_response_id = idOf(first);
    const call_id = call?.["call_id"] ?? "";
    expect(await errorOf({ input: "and now?", previous_response_id })).toMatchObject({
      message: `No tool output found for function call ${String(call_id)}.`,
      param: "input",
    });
    const result = { type: "function_call_output", call_id, output: "rain" };
    const second = await say([result], { tools, previous_response_id });
    expect(outputTextOf(second)).toBe('You said: "Oslo". Function outputs: "rain".');
    expect(await errorOf({ input: [result] })).toMatchObject({ param: "input" });
  });

  test.each<[string, JsonObject, string[]]>([
    ["a forced function", { tool_choice: { type: "function", name: "time" } }, ["time"]],
    ["both functions", { input: "both please" }, ["weather", "time"]],
    ["both functions, one at a time", { input: "both please", parallel_tool_calls: false }, ["weather"]],
    ["no function", { tool_choice: "none" }, []],
  ])("%s: the answer calls the expected functions", async (_name, fields, names) => {
    const { input = "hi", ...rest } = fields;
    const calls = output(await say(input, { tools, ...rest }));
    expect(calls.flatMap((call) => call["name"] ?? [])).toEqual(names);
  });
});

describe("requests that are refused", () => {
  test.each<[string, JsonObject | string, number, JsonObject]>([
    ["an absent model", { input: "x" }, 400, { code: "one_hub_error", type: "one_hub_error" }],
    ["invalid JSON", "{", 400, { code: "one_hub_error" }],
    ["an absent input", { model }, 400, { code: "missing_required_parameter" }],
    ["an unknown model", { model: "gpt-nope", input: "x" }, 503, { code: "model_not_found" }],
    ["a name that is not on the menu", { model: "emulate/x", input: "x" }, 503, { code: "model_not_found" }],
    [
      "too few tokens",
      { model, input: "x", max_output_tokens: 15 },
      400,
      { code: "integer_below_min_value", param: "max_output_tokens" },
    ],
  ])("%s: refused", async (_name, body, status, error) => {
    const answer = await ask(emulator, body);
    expect(answer.status).toBe(status);
    expect(answer.json["error"]).toMatchObject(error);
    expect(answer.headers.get("x-oneapi-request-id")).toMatch(/^\d{14}\w{8}$/);
  });

  test("a wrong key is refused, and so is an empty one where any other key is accepted", async () => {
    const strict = await startEmulator({ key: "sk-right" });
    const wrong = await ask(strict, { model, input: "x" }, { key: "sk-wrong" });
    const right = await ask(strict, { model, input: "x" }, { key: "sk-right" });
    await strict.close();
    expect([wrong.status, right.status]).toEqual([401, 200]);
    const id = wrong.headers.get("x-oneapi-request-id");
    const message = `无效的令牌 (request id: ${id})`;
    expect(wrong.json).toEqual({ error: { message, type: "one_hub_error" } });
    expect((await ask(emulator, { model, input: "x" }, { key: "" })).status).toBe(401);
  });
});

describe("other routes", () => {
  const authorization = "Bearer sk-any";
  const get = (path: string, method = "GET"): Promise<Response> =>
    fetch(emulator.url + path, { method, headers: { authorization } });

  test("the balance has UniAPI's format", async () => {
    expect(await (await get("/v1/billing/usage?type=token&unit=usd")).json()).toEqual({
      data: { balance: -1, used: 2.4e-5, cache_used: 0 },
      success: true,
    });
  });

  test("a response can't be read by id", async () => {
    const id = idOf(await say("hi"));
    const answer = await get(`/v1/responses/${id}`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({
      error: { message: `Invalid URL (GET /v1/responses/${id})` },
    });
  });

  test("another process can read and clear the record of requests, and delete stored responses", async () => {
    const previous_response_id = idOf(await say("hi"));
    const stored = idOf(await say("yo"));
    const listed = (await (await get("/emulator/requests")).json()) as JsonObject;
    expect(listed).toMatchObject({ calls: 2, requests: [{ body: { input: "hi" } }, {}] });
    await get("/emulator/requests", "DELETE");
    expect([emulator.calls(), emulator.received.length]).toEqual([0, 0]);

    await get(`/emulator/responses/${previous_response_id}`, "DELETE");
    expect(await errorOf({ input: "x", previous_response_id })).toMatchObject({
      code: "previous_response_not_found",
    });
    await say("x", { previous_response_id: stored });
    await get("/emulator/responses", "DELETE");
    expect(await errorOf({ input: "x", previous_response_id: stored })).toMatchObject({
      code: "previous_response_not_found",
    });
  });
});
