// The tree of turns that the console shows, without a page.
import { expect, test } from "vitest";
import { type Answer, Conversation, inputText, type Turn } from "../../src/console/chat/model/conversation.ts";

const answer = (id: string): Answer => ({
  id,
  previous_response_id: null,
  created_at: 0,
  model: "m",
  status: "completed",
  text: id,
  usage: null,
});

/** a, then b and c beside each other, then d after b. */
function createTree(): { conversation: Conversation; turns: Record<"a" | "b" | "c" | "d", Turn> } {
  const conversation = new Conversation();
  const add = (parent: Turn | null, id: string): Turn => {
    const turn = conversation.add(parent, `question ${id}`, {}, `key ${id}`);
    conversation.finish(turn, answer(id));
    return turn;
  };
  const a = add(null, "a");
  const b = add(a, "b");
  const c = add(a, "c");
  const d = add(b, "d");
  return { conversation, turns: { a, b, c, d } };
}

const ids = (turns: readonly Turn[]): (string | undefined)[] => turns.map((turn) => turn.answer?.id);

test("the last question is displayed, with everything that it follows", () => {
  const { conversation, turns } = createTree();
  expect(ids(conversation.path())).toEqual(["a", "b", "d"]);
  expect(ids(conversation.siblings(turns.b))).toEqual(["b", "c"]);
  expect(conversation.leaves()).toEqual(["d", "c"]);
});

test("another branch is shown with the child that was displayed last", () => {
  const { conversation, turns } = createTree();
  conversation.show(turns.c);
  expect(ids(conversation.path())).toEqual(["a", "c"]);
  conversation.show(turns.b);
  expect(ids(conversation.path())).toEqual(["a", "b", "d"]);
});

test("a question follows the last answer of its branch, never a turn that failed or was stopped", () => {
  const { conversation, turns } = createTree();
  const stopped = conversation.add(turns.d, "stopped", {}, "key");
  stopped.state = "stopped";
  expect(conversation.last()).toBe(turns.d);
  expect(conversation.leaves(), "and a reload does not restore it").toEqual(["d", "c"]);
});

test("restored branches share their common turns", () => {
  const conversation = new Conversation();
  for (const thread of [
    ["a", "b", "d"],
    ["a", "c"],
  ]) {
    let parent: Turn | null = null;
    for (const id of thread) parent = conversation.restore(parent, `question ${id}`, answer(id));
  }
  expect(ids(conversation.roots)).toEqual(["a"]);
  expect(conversation.leaves()).toEqual(["d", "c"]);
});

test("input items are shown as text", () => {
  expect(inputText("text")).toBe("text");
  expect(
    inputText([
      { role: "user", content: "one" },
      {
        role: "user",
        content: [
          { type: "input_text", text: "two" },
          { type: "input_image", image_url: "data:" },
        ],
      },
      { type: "function_call_output", call_id: "c", output: "three" },
    ]),
  ).toBe("one\ntwo\n[input_image]\nthree");
});
