// The event stream of /ask: its deltas join to the text of `done`, and there is exactly one `done`.
import type { Answer, AskEvent } from "../../src/contract/answer.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Assembly } from "../../src/core/upstream/assembly.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { plainText, eventsOfAnswer, TrimStream } from "../../src/core/reply/trim-stream.ts";
import { trim } from "../../src/core/reply/trim.ts";

type Event = JsonObject & { type: string };

/** The events that the Worker sends for an upstream stream. */
function run(events: readonly Event[]): { sent: AskEvent[]; answer: Answer } {
  const assembly = new Assembly();
  const stream = new TrimStream("req_1", "asked-model");
  const sent: AskEvent[] = [];
  for (const event of events) {
    const terminal = assembly.add(event.type, event);
    if (terminal?.kind === "response") {
      const answer = trim(terminal.response, {
        id: "resp_ue1_x",
        previousId: null,
        now: 1,
        model: "",
        wantsData: false,
      });
      return { sent: [...sent, ...stream.finish(answer)], answer };
    }
    sent.push(...stream.push(event.type, event));
  }
  throw new Error("no terminal event");
}
const joined = (sent: readonly AskEvent[], eventName: "text" | "reasoning" | "refusal"): string =>
  sent.map((event) => (event.event === eventName ? event.data.delta : "")).join("");

function expectValid({ sent, answer }: { sent: AskEvent[]; answer: Answer }): void {
  expect(sent[0]?.event).toBe("start");
  expect(sent.filter(({ event }) => event === "start")).toHaveLength(1);
  expect(sent.filter(({ event }) => event === "done")).toEqual([{ event: "done", data: answer }]);
  expect(sent.at(-1)?.event).toBe("done");
  expect(joined(sent, "text")).toBe(answer.text);
  expect(joined(sent, "refusal")).toBe(answer.refusal ?? "");
  const calls = sent.flatMap((event) => (event.event === "tool_call" ? [event.data] : []));
  expect(calls.toSorted((a, b) => a.call_id.localeCompare(b.call_id))).toEqual(answer.tool_calls ?? []);
}

interface ItemPlan {
  kind: "text" | "refusal" | "commentary" | "reasoning" | "call";
  pieces: string[];
  deltas: boolean;
  done: boolean;
}
const pieces = fc.array(fc.string({ maxLength: 4 }), { minLength: 1, maxLength: 4 });
const plans: fc.Arbitrary<ItemPlan> = fc.record({
  kind: fc.constantFrom("text", "text", "refusal", "commentary", "reasoning", "call"),
  pieces,
  deltas: fc.boolean(),
  done: fc.boolean(),
});

function itemOf({ kind, pieces }: ItemPlan, index: number): JsonObject {
  const sent = pieces.join("");
  if (kind === "call") return { type: "function_call", call_id: `call_${index}`, name: "f", arguments: sent };
  if (kind === "reasoning")
    return { type: "reasoning", summary: pieces.map((text) => ({ type: "summary_text", text })) };
  const phase = kind === "commentary" ? "commentary" : "final_answer";
  const part =
    kind === "refusal" ? { type: "refusal", refusal: sent } : { type: "output_text", text: sent, annotations: [] };
  return { type: "message", role: "assistant", phase, content: [part] };
}

function eventsOf(one: ItemPlan, output_index: number): Event[] {
  const item = itemOf(one, output_index);
  const names = {
    text: "output_text",
    commentary: "output_text",
    refusal: "refusal",
    reasoning: "reasoning_summary_text",
    call: "function_call_arguments",
  };
  const deltas = one.pieces.map((delta, piece) => ({
    type: `response.${names[one.kind]}.delta`,
    output_index,
    ...(one.kind === "reasoning" ? { summary_index: piece } : { content_index: 0 }),
    delta,
  }));
  return [
    { type: "response.output_item.added", output_index, item: { ...item, content: [], summary: [] } },
    ...(one.deltas ? deltas : []),
    ...(one.done ? [{ type: "response.output_item.done", output_index, item }] : []),
  ];
}

const stream = (items: readonly ItemPlan[], terminal: JsonObject): Event[] => [
  { type: "response.created", response: { id: "resp_1", model: "m", status: "in_progress" } },
  ...items.flatMap(eventsOf),
  { type: "response.completed", response: { id: "resp_1", model: "m", status: "completed", ...terminal } },
];

describe("the deltas join to the text of done", () => {
  test("in complete streams", () => {
    fc.assert(
      fc.property(fc.array(plans, { maxLength: 5 }), (items) => {
        const complete = items.map((item) => ({ ...item, deltas: true, done: true }));
        const result = run(stream(complete, { output: complete.map(itemOf) }));
        expectValid(result);
        expect(joined(result.sent, "reasoning")).toBe(result.answer.reasoning_summary ?? "");
      }),
      { numRuns: 300 },
    );
  });

  test("in streams that omit an item's deltas or its end, but not both", () => {
    fc.assert(
      fc.property(fc.array(plans, { maxLength: 5 }), (items) => {
        const partial = items.map((item) => (item.deltas ? item : { ...item, done: true }));
        expectValid(run(stream(partial, { output: partial.map(itemOf) })));
      }),
      { numRuns: 300 },
    );
  });

  test("in streams that omit the terminal output", () => {
    fc.assert(
      fc.property(
        fc.array(plans, { maxLength: 5 }),
        fc.constantFrom<JsonObject>({}, { output: [] }, { output: null }),
        (items, terminal) => {
          expectValid(
            run(
              stream(
                items.map((item) => ({ ...item, done: true })),
                terminal,
              ),
            ),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test("in streams of deltas alone", () => {
    const messagePlans = plans.filter(({ kind }) => kind !== "call" && kind !== "reasoning");
    fc.assert(
      fc.property(fc.array(messagePlans, { maxLength: 5 }), (items) => {
        expectValid(
          run(
            stream(
              items.map((item) => ({ ...item, deltas: true, done: false })),
              {},
            ),
          ),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("in a stream with all of its content in the last event", () => {
    fc.assert(
      fc.property(fc.array(plans, { maxLength: 5 }), (items) => {
        const silent = items.map((item) => ({ ...item, deltas: false, done: false }));
        const result = run(stream(silent, { output: silent.map(itemOf) }));
        expectValid(result);
        expect(joined(result.sent, "reasoning")).toBe(result.answer.reasoning_summary ?? "");
      }),
    );
  });

  test("even if a delta after the separator between two parts of a summary is empty", () => {
    const part = (summary_index: number, delta: string): Event => ({
      type: "response.reasoning_summary_text.delta",
      output_index: 0,
      summary_index,
      delta,
    });
    const { sent, answer } = run([
      part(0, "One."),
      part(1, ""),
      part(1, "Two."),
      {
        type: "response.completed",
        response: { output: [{ type: "reasoning", summary: [{ text: "One." }, { text: "Two." }] }] },
      },
    ]);
    expect(joined(sent, "reasoning")).toBe("One.\n\nTwo.");
    expect(answer.reasoning_summary).toBe("One.\n\nTwo.");
  });

  test("unless the final text differs: deltas can't be revoked, so only `done` has the right text", () => {
    const { sent, answer } = run(
      stream([{ kind: "text", pieces: ["wrong"], deltas: true, done: false }], {
        output: [itemOf({ kind: "text", pieces: ["right"], deltas: true, done: true }, 0)],
      }),
    );
    expect(joined(sent, "text")).toBe("wrong");
    expect(answer.text).toBe("right");
    expect(sent.at(-1)?.event).toBe("done");
  });

  test("a tool call is sent once, when it is complete", () => {
    const call: ItemPlan = { kind: "call", pieces: ['{"a":', "1}"], deltas: true, done: true };
    const { sent } = run(stream([call], { output: [itemOf(call, 0)] }));
    expect(sent.map(({ event }) => event)).toEqual(["start", "tool_call", "done"]);
  });
});

describe("the `start` event", () => {
  test("has upstream's model, else the requested one", () => {
    const first = (data: JsonObject) => new TrimStream("req_1", "asked").push("response.created", data)[0];
    expect(first({ response: { model: "gpt-6-sol-2026" } })).toEqual({
      event: "start",
      data: { request_id: "req_1", model: "gpt-6-sol-2026" },
    });
    expect(first({})).toEqual({ event: "start", data: { request_id: "req_1", model: "asked" } });
  });
});

describe("a replay", () => {
  test("turns a complete answer into a valid sequence that ends with it", () => {
    fc.assert(
      fc.property(fc.array(plans, { maxLength: 4 }), (items) => {
        const answer = trim(
          { model: "m", output: items.map(itemOf) },
          { id: "x", previousId: null, now: 1, model: "", wantsData: false },
        );
        const sent = eventsOfAnswer(answer, "req_1");
        expectValid({ sent, answer });
        expect(sent[0]).toEqual({ event: "start", data: { request_id: "req_1", model: "m" } });
        expect(joined(sent, "reasoning")).toBe(answer.reasoning_summary ?? "");
      }),
    );
  });
});

describe("a bare text stream", () => {
  test("is the text, or the refusal if there is no text", () => {
    fc.assert(
      fc.property(fc.array(plans, { maxLength: 5 }), (items) => {
        const complete = items.map((item) => ({ ...item, deltas: true, done: true }));
        const { sent, answer } = run(stream(complete, { output: complete.map(itemOf) }));
        expect(sent.map(plainText).join("")).toBe(answer.text || (answer.refusal ?? ""));
      }),
    );
  });
});

test("no event makes the stream fail", () => {
  const types = fc.constantFrom(
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "",
    "x",
  );
  const events = fc.array(
    fc.tuple(types, fc.dictionary(fc.constantFrom("item", "delta", "output_index", "response"), fc.jsonValue())),
  );
  fc.assert(
    fc.property(events, (events) => {
      const stream = new TrimStream("req_1", "m");
      const assembly = new Assembly();
      for (const [type, data] of events) {
        stream.push(type, data);
        assembly.add(type, data);
      }
    }),
  );
});
