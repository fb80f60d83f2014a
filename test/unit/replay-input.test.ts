// The input that replays a chain: which items are sent again, replaced by a note, or omitted.
import { expect, test } from "vitest";
import { replayInput } from "../../src/core/turns/replay-input.ts";
import { encodeTurn, decodeTurn, type Turn } from "../../src/core/turns/turn.ts";

function turn(input: unknown, output: unknown[]): Turn {
  return {
    id: "resp_ue1_x",
    parent: null,
    ancestors: [],
    input,
    response: { id: "up_1", output },
    preset: null,
    wantsData: false,
    model: "m",
    at: 0,
  };
}

const assistantMessage = (text: string): object => ({
  type: "message",
  id: "msg_1",
  status: "completed",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
});

test("strings become messages, in order", () => {
  expect(replayInput([turn("a", [assistantMessage("A")])], "b")).toEqual([
    { type: "message", role: "user", content: "a" },
    { type: "message", role: "assistant", content: "A" },
    { type: "message", role: "user", content: "b" },
  ]);
});

test("item ids and reasoning items are omitted, from the caller and from upstream", () => {
  const items = replayInput(
    [
      turn(
        [
          { type: "reasoning", id: "rs_0", encrypted_content: "x" },
          { role: "user", id: "msg_0", content: "a" },
        ],
        [{ type: "reasoning", id: "rs_1", summary: [] }, assistantMessage("A")],
      ),
    ],
    [
      { type: "reasoning", id: "rs_2" },
      { role: "user", id: "msg_2", content: "b" },
    ],
  );
  expect(JSON.stringify(items)).not.toMatch(/rs_|msg_|encrypted/);
  expect(items.map((item) => item["role"])).toEqual(["user", "assistant", "user"]);
});

test("a function call and its output have their call_id, and items of hosted tools are omitted", () => {
  const call = {
    type: "function_call",
    id: "fc_1",
    status: "completed",
    call_id: "call_1",
    name: "f",
    arguments: "{}",
  };
  const output = { type: "function_call_output", call_id: "call_1", output: "42" };
  expect(
    replayInput([turn("a", [{ type: "web_search_call", id: "ws_1", status: "completed" }, call])], [output]),
  ).toEqual([
    { type: "message", role: "user", content: "a" },
    { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" },
    output,
  ]);
});

test("a call that the new input repeats with its output is sent once", () => {
  const call = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
  const output = { type: "function_call_output", call_id: "call_1", output: "42" };
  expect(replayInput([turn("a", [call])], [{ ...call, id: "fc_1" }, output])).toEqual([
    { type: "message", role: "user", content: "a" },
    call,
    output,
  ]);
});

test("an image is sent again, and one that was too large to store is replaced by a note", () => {
  const image = (image_url: string): object => ({
    role: "user",
    content: [
      { type: "input_text", text: "look" },
      { type: "input_image", image_url },
    ],
  });
  const small = "data:image/png;base64,AAAA";
  expect(replayInput([turn([image(small)], [])], "b")[0]).toEqual(image(small));
  const stored = decodeTurn(encodeTurn(turn([image(`data:image/png;base64,${"A".repeat(1_200_000)}`)], [])));
  const content = stored === null ? [] : (replayInput([stored], "b")[0]?.["content"] as object[]);
  expect(content[1]).toEqual({ type: "input_text", text: expect.stringContaining("were not stored") });
});

test("an item reference is refused with a remedy, because only its own backend knows the item", () => {
  expect(() => replayInput([], [{ type: "item_reference", id: "msg_1" }])).toThrow(/Send the item itself/);
});

test("other items of the new input are sent unchanged", () => {
  const approval = { type: "mcp_approval_response", approval_request_id: "mcpr_1", approve: true };
  expect(replayInput([], [approval])).toEqual([approval]);
});

test("a note that replaces an image in a tool's output is text", () => {
  const output = [{ type: "input_image", image_url: "[1200022 characters of data were not stored]" }];
  const call = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
  const stored = turn([call, { type: "function_call_output", call_id: "call_1", output }], []);
  expect(replayInput([stored], "b")[1]).toEqual({
    type: "function_call_output",
    call_id: "call_1",
    output: [{ type: "input_text", text: "[1200022 characters of data were not stored]" }],
  });
});

test("a turn whose input was too large to store is never replayed", () => {
  const stored = decodeTurn(encodeTurn(turn("many words ".repeat(200_000), [assistantMessage("A")])));
  expect(stored?.input).toMatch(/were not stored/);
  expect(() => replayInput(stored === null ? [] : [stored], "b")).toThrow(
    expect.objectContaining({ code: "conversation_too_long" }),
  );
});
