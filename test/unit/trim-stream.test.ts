// The event stream of /ask: its deltas join to the text of `done`, and there is exactly one `done`.
import type { Answer, AskEvent } from "../../src/contract/answer.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import type { EventBatch } from "../../src/core/upstream/event.ts";
import { StreamRepair } from "../../src/core/upstream/stream-repair.ts";
import { plainText, eventsOfAnswer, TrimStream } from "../../src/core/reply/trim-stream.ts";
import { trim } from "../../src/core/reply/trim.ts";
import { KNOWN_TYPES } from "../support/relay-mutations.ts";

type Event = JsonObject & { type: string };

const repair = (): StreamRepair => new StreamRepair({ random: () => "00", now: 1, live: "text" });

/** The events that the Worker sends for an upstream stream. */
function run(events: readonly Event[]): { sent: AskEvent[]; answer: Answer } {
  const repaired = repair();
  const stream = new TrimStream("req_1", "asked-model");
  const sent: AskEvent[] = [];
  for (const event of events) {
    const out: EventBatch = [];
    const terminal = repaired.push({ type: event.type, data: event, frame: undefined }, out);
    for (const { type, data } of out) sent.push(...stream.push(type, data));
    if (terminal?.kind !== "response") continue;
    const answer = trim(terminal.response, { id: "resp_ue1_x", previousId: null, now: 1, model: "", wantsData: false });
    return { sent: [...sent, ...stream.finish(answer)], answer };
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
  expect(calls).toEqual(answer.tool_calls ?? []);
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

  test("or the stream fails, because deltas that the final text contradicts can't be revoked", () => {
    const contradiction = (): unknown =>
      run(
        stream([{ kind: "text", pieces: ["wrong"], deltas: true, done: false }], {
          output: [itemOf({ kind: "text", pieces: ["right"], deltas: true, done: true }, 0)],
        }),
      );
    expect(contradiction).toThrow(expect.objectContaining({ code: "upstream_invalid_response" }));
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

describe("the events of a complete answer", () => {
  test("are a valid sequence that ends with the answer", () => {
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

test("no event makes the stream throw anything but a Problem", () => {
  const types = fc.constantFrom(...KNOWN_TYPES, "", "x");
  const keys = fc.constantFrom("item", "part", "delta", "text", "arguments", "output_index", "response", "annotation");
  const item = fc.dictionary(fc.constantFrom("id", "type", "content", "call_id", "name", "summary"), fc.jsonValue());
  const events = fc.array(fc.tuple(types, fc.dictionary(keys, fc.oneof(item, fc.jsonValue()))));
  fc.assert(
    fc.property(events, (events) => {
      const stream = new TrimStream("req_1", "m");
      const repaired = repair();
      try {
        for (const [type, data] of events) {
          const out: EventBatch = [];
          repaired.push({ type, data, frame: undefined }, out);
          for (const event of out) stream.push(event.type, event.data);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(Problem);
      }
    }),
    { numRuns: 300 },
  );
});
