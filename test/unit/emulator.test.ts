// The emulator's ordinary answers: they continue conversations, are marked as emulated, and look like OpenAI's.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { ask, outputTextOf } from "../emulator/ask.ts";
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
  const result = await ask(emulator, { model, input, ...fields });
  expect(result.status, result.text).toBe(200);
  return result.json;
};
const idOf = (response: JsonObject): string => asText(response["id"]) ?? "";
const errorOf = async (body: JsonObject): Promise<Json | undefined> =>
  (await ask(emulator, { model, ...body })).json["error"];
const output = (response: JsonObject): JsonObject[] => asObjects(response["output"]);

describe("memory", () => {
  test("the first turn repeats the user's message", async () => {
    expect(outputTextOf(await say("hi"))).toBe('You said: "hi".');
  });

  test("a chain gives the same answer as its history replayed as input", async () => {
    const first = await say("a");
    const second = await say("b", { previous_response_id: idOf(first) });
    const third = await say("c", { previous_response_id: idOf(second) });
    const expected = 'Turn 3. You said: "c". Before that you said: "a", "b".';
    expect(outputTextOf(third)).toBe(expected);

    const user = (content: string): JsonObject => ({ role: "user", content });
    const replayed = await say([user("a"), ...output(first), user("b"), ...output(second), user("c")]);
    expect(outputTextOf(replayed)).toBe(expected);
    expect(replayed["usage"]).toEqual(third["usage"]);
  });

  test("a chain of 100 turns lists all of them", async () => {
    let previous: JsonObject = {};
    for (let turn = 1; turn <= 100; turn += 1) {
      previous = await say(`word ${turn}.`, turn > 1 ? { previous_response_id: idOf(previous) } : {});
    }
    const text = outputTextOf(previous);
    expect(text).toMatch(/^Turn 100\. You said: "word 100\."/);
    for (let turn = 1; turn <= 100; turn += 1) expect(text).toContain(`"word ${turn}."`);
  });

  test("two turns may share a parent", async () => {
    const previous_response_id = idOf(await say("a"));
    const first = await say("left", { previous_response_id });
    const second = await say("right", { previous_response_id });
    expect(outputTextOf(first)).toContain('"left". Before that you said: "a".');
    expect(outputTextOf(second)).not.toContain("left");
  });

  test("an id that is unknown, was not stored or was deleted is refused as OpenAI refuses it", async () => {
    const [stored, other] = [await say("a"), await say("b")];
    const unstored = idOf(await say("a", { store: false }));
    const child = await say("c", { previous_response_id: idOf(stored) });
    emulator.deleteResponses(idOf(stored));
    for (const id of ["resp_unknown", unstored, idOf(stored)]) {
      expect(await errorOf({ input: "x", previous_response_id: id })).toEqual({
        message: `Previous response with id '${id}' not found.`,
        type: "invalid_request_error",
        param: "previous_response_id",
        code: "previous_response_not_found",
      });
    }
    expect(outputTextOf(await say("d", { previous_response_id: idOf(child) }))).toContain('"a", "c"');
    emulator.deleteResponses();
    expect(await errorOf({ input: "x", previous_response_id: idOf(other) })).toMatchObject({
      code: "previous_response_not_found",
    });
  });

  test("an item_reference is replaced by the stored item", async () => {
    const [item] = output(await say("a"));
    const reference = { type: "item_reference", id: item?.["id"] ?? "" };
    const answer = await say([reference, { role: "user", content: "b" }]);
    expect(answer["usage"]).toMatchObject({ input_tokens_details: { cached_tokens: 3 } });
    emulator.deleteResponses();
    expect(await errorOf({ input: [reference] })).toMatchObject({ param: "input" });
  });

  test("the answer shows the length of the instructions, not their text, and a follow-up does not inherit them", async () => {
    const first = await say("hi", { instructions: "be secretive" });
    expect(outputTextOf(first)).toBe('You said: "hi". (instructions: 12 characters)');
    expect(first["instructions"]).toBe("be secretive");
    const second = await say("yo", { previous_response_id: idOf(first) });
    expect(outputTextOf(second)).toBe('Turn 2. You said: "yo". Before that you said: "hi".');
  });

  test("images and files are counted", async () => {
    const content = [
      { type: "input_text", text: "look" },
      { type: "input_image", image_url: "https://example.com/1.png" },
      { type: "input_image", file_id: "file-1" },
      { type: "input_file", file_id: "file-2" },
    ];
    expect(outputTextOf(await say([{ role: "user", content }]))).toBe('You said: "look". Images: 2. Files: 1.');
  });
});

describe("the response object", () => {
  test("has the keys of a current response, a marked model and the settings of the request", async () => {
    const echoed = {
      metadata: { a: "1" },
      user: "user-1",
      temperature: 0.5,
      instructions: "short",
      tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }],
    };
    const response = await say("hi", echoed);
    expect(response).toMatchObject(echoed);
    expect(response["model"]).toBe("emulator/gpt-6-sol");
    expect(idOf(response)).toMatch(/^resp_[0-9a-f]{50}$/);
    expect(Object.keys(response).join(" ")).toBe(
      "id object created_at status background billing completed_at error frequency_penalty " +
        "incomplete_details instructions max_output_tokens max_tool_calls model moderation output " +
        "parallel_tool_calls presence_penalty previous_response_id prompt_cache_key " +
        "prompt_cache_retention reasoning safety_identifier service_tier store temperature text " +
        "tool_choice tools top_logprobs top_p truncation usage user metadata",
    );
  });

  test("a small max_output_tokens cuts the text", async () => {
    const response = await say("x".repeat(100), { max_output_tokens: 16 });
    expect(response).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      usage: { output_tokens: 16 },
    });
    expect(outputTextOf(response)).toHaveLength(64);
  });

  test("reasoning can use up all of max_output_tokens", async () => {
    const reasoning = { effort: "high" };
    const response = await say("x".repeat(100), { max_output_tokens: 20, reasoning });
    expect(output(response).map((item) => item["type"])).toEqual(["reasoning"]);
    expect(response["usage"]).toMatchObject({
      output_tokens: 20,
      output_tokens_details: { reasoning_tokens: 20 },
    });
  });

  test.each([
    ["auto", 1],
    ["detailed", 2],
  ])("a %s summary of the reasoning has %i parts", async (summary, count) => {
    const include = ["reasoning.encrypted_content"];
    const [item] = output(await say("hi", { reasoning: { effort: "low", summary }, include }));
    expect(item?.["type"]).toBe("reasoning");
    expect(asObjects(item?.["summary"])).toHaveLength(count);
    expect(item?.["encrypted_content"]).toBeTypeOf("string");
  });

  test("the positions of a web search's citations match the text", async () => {
    const [call, message] = output(await say("🙂 hi", { tools: [{ type: "web_search" }] }));
    expect(call).toMatchObject({ type: "web_search_call", action: { query: "🙂 hi" } });
    const [part] = asObjects(message?.["content"]);
    const annotations = asObjects(part?.["annotations"]);
    expect(annotations).toHaveLength(2);
    for (const { start_index, end_index, title, url } of annotations) {
      const cited = asText(part?.["text"])?.slice(Number(start_index), Number(end_index));
      expect(cited).toBe(`[${String(title)}](${String(url)})`);
    }
  });
});
