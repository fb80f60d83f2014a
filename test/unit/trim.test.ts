// The trimmed answer: every key of docs/contract.md §2, from response objects of any relay.
import type { Answer } from "../../src/contract/answer.ts";
import fc from "fast-check";
import { addOutputText } from "openai/lib/ResponsesParser";
import { describe, expect, test } from "vitest";
import { isRecord, type JsonObject, parseJson } from "../../src/core/lib/json.ts";
import { type AnswerContext, trim } from "../../src/core/reply/trim.ts";

const context: AnswerContext = {
  id: "resp_ue1_x",
  previousId: null,
  now: 1_763_800_000,
  model: "",
  wantsData: false,
};
const trimResponse = (response: JsonObject, more: Partial<AnswerContext> = {}): Answer =>
  trim(response, { ...context, ...more });
const message = (...content: unknown[]): JsonObject => ({
  type: "message",
  role: "assistant",
  status: "completed",
  content,
});
const text = (value: string, annotations: unknown[] = []): JsonObject => ({
  type: "output_text",
  text: value,
  annotations,
});
const cite = (start_index: number, end_index: number): JsonObject => ({
  type: "url_citation",
  url: "https://a.example",
  title: "A",
  start_index,
  end_index,
});

const FULL: JsonObject = {
  id: "resp_upstream",
  object: "response",
  created_at: 1_763_827_200,
  status: "completed",
  model: "gpt-6-sol-2026-09-22",
  instructions: "secret",
  output: [
    {
      type: "reasoning",
      id: "rs_1",
      summary: [
        { type: "summary_text", text: "First." },
        { type: "summary_text", text: "" },
      ],
    },
    { type: "reasoning", id: "rs_2", summary: [{ type: "summary_text", text: "Second." }] },
    message(text("Hello ", [cite(0, 5)]), { type: "refusal", refusal: "No." }, text("world", [cite(0, 5)])),
    { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: '{"a": 1, broken' },
    { type: "custom_tool_call", id: "ctc_1", call_id: "call_2", name: "g", input: "free text" },
    { type: "web_search_call", id: "ws_1", status: "completed" },
    { type: "an item of tomorrow", text: "?" },
  ],
  output_text: "",
  incomplete_details: { reason: "max_output_tokens" },
  usage: {
    input_tokens: 12,
    input_tokens_details: { cached_tokens: 4 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 3 },
    total_tokens: 19,
  },
  metadata: { echoed: "by upstream" },
};

describe("the keys of an answer", () => {
  test("a complete response gives every key", () => {
    const answer = trimResponse(FULL, {
      previousId: "resp_ue1_before",
      metadata: { mine: "1" },
      cost: 0.00002,
      cached: true,
    });
    expect(answer).toEqual({
      id: "resp_ue1_x",
      previous_response_id: "resp_ue1_before",
      created_at: 1_763_827_200,
      model: "gpt-6-sol-2026-09-22",
      status: "completed",
      text: "Hello world",
      usage: { input_tokens: 12, cached_tokens: 4, output_tokens: 7, reasoning_tokens: 3, total_tokens: 19 },
      refusal: "No.",
      tool_calls: [
        { call_id: "call_1", name: "f", arguments: '{"a": 1, broken' },
        { call_id: "call_2", name: "g", arguments: "free text" },
      ],
      citations: [cite(0, 5), cite(6, 11)],
      reasoning_summary: "First.\n\nSecond.",
      incomplete_reason: "max_output_tokens",
      metadata: { mine: "1" },
      cost_usd: 0.00002,
      cached: true,
    });
  });

  test("optional keys without a value are absent", () => {
    expect(trimResponse({})).toEqual({
      id: "resp_ue1_x",
      previous_response_id: null,
      created_at: 1_763_800_000,
      model: "",
      status: "completed",
      text: "",
      usage: null,
    });
    expect(
      Object.keys(trimResponse({ incomplete_details: null, metadata: {} }, { metadata: {}, cached: false })),
    ).toHaveLength(7);
  });

  test.each<[unknown, number]>([
    [1_763_827_200.9, 1_763_827_200],
    [0, context.now],
    [null, context.now],
    ["1763827200", 1_763_827_200],
    [Number.POSITIVE_INFINITY, context.now],
  ])("created_at %j gives %j", (created_at, expected) => {
    expect(trimResponse({ created_at }).created_at).toBe(expected);
  });

  test.each(["incomplete", "queued", "a future status"])("the status %s is forwarded", (status) => {
    expect(trimResponse({ status }).status).toBe(status);
  });
});

describe("the answer's text", () => {
  test.each<[string, JsonObject, string]>([
    [
      "output_text is never used if there are messages",
      { output: [message(text("real"))], output_text: "shortcut" },
      "real",
    ],
    ["output_text is not used even if the message is empty", { output: [message()], output_text: "shortcut" }, ""],
    [
      "output_text is used if there is no message",
      { output: [{ type: "reasoning" }], output_text: "shortcut" },
      "shortcut",
    ],
    ["all parts of all messages are joined", { output: [message(text("a"), text("b")), message(text("c"))] }, "abc"],
    ["content that is a plain string is text", { output: [{ type: "message", content: "plain" }] }, "plain"],
    ["a phase of null means no phase", { output: [{ ...message(text("a")), phase: null }] }, "a"],
    [
      "only the final answer is used if messages have a phase",
      {
        output: [
          { ...message(text("thinking")), phase: "commentary" },
          { ...message(text("answer")), phase: "final_answer" },
        ],
      },
      "answer",
    ],
    ["a refusal is not text", { output: [message({ type: "refusal", refusal: "No." })] }, ""],
    ["text of unknown parts is not text", { output: [message({ type: "summary_text", text: "x" }, text("a"))] }, "a"],
    ["text that is not a string is ignored", { output: [message({ type: "output_text", text: 7 }, text("a"))] }, "a"],
  ])("%s", (_, response, expected) => {
    expect(trimResponse(response).text).toBe(expected);
  });

  test("equals the text that the openai SDK computes, for any output without phases", () => {
    const part = fc.oneof(
      fc.record({ type: fc.constant("output_text"), text: fc.string(), annotations: fc.constant([]) }),
      fc.record({ type: fc.constant("refusal"), refusal: fc.string() }),
      fc.record({ type: fc.string(), text: fc.string() }),
    );
    const item = fc.oneof(
      fc.record({ type: fc.constant("message"), content: fc.array(part) }),
      fc.record({ type: fc.constant("reasoning"), summary: fc.constant([]), content: fc.array(part) }),
      fc.record({ type: fc.constant("function_call"), arguments: fc.string() }),
    );
    fc.assert(
      fc.property(fc.array(item), (output) => {
        const reference = { output: structuredClone(output), output_text: "" };
        addOutputText(reference as unknown as Parameters<typeof addOutputText>[0]);
        expect(trimResponse({ output, output_text: fc.sample(fc.constantFrom("", null), 1)[0] }).text).toBe(
          reference.output_text,
        );
      }),
    );
  });
});

describe("citations", () => {
  test("have offsets into the joined text", () => {
    const word = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 });
    const parts = fc.array(fc.array(fc.tuple(word, fc.boolean()), { maxLength: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(parts, (messages) => {
        const output = messages.map((parts) =>
          message(
            ...parts.map(([word, quoted]) => text(word, quoted ? [{ ...cite(0, word.length), title: word }] : [])),
          ),
        );
        const answer = trimResponse({ output });
        for (const citation of answer.citations ?? []) {
          expect(answer.text.slice(Number(citation["start_index"]), Number(citation["end_index"]))).toBe(
            citation["title"],
          );
        }
        expect(answer.citations?.length ?? 0).toBe(messages.flat().filter(([, quoted]) => quoted).length);
      }),
    );
  });

  test("without offsets are unchanged, and commentary does not shift the others", () => {
    const file = { type: "file_citation", file_id: "file_1", index: 0 };
    const output = [
      { ...message(text("thinking", [cite(0, 8)])), phase: "commentary" },
      { ...message(text("a"), text("b", [file, cite(0, 1)])), phase: "final_answer" },
    ];
    expect(trimResponse({ output }).citations).toEqual([file, cite(1, 2)]);
  });
});

describe("the answer's data", () => {
  test.each<[string, string, unknown]>([
    ["JSON", '{"a":1}', { a: 1 }],
    ["JSON null", "null", null],
    ["a list", "[1]", [1]],
    ["JSON in a fence", '```json\n{"a":1}\n```', { a: 1 }],
    ["JSON in a bare fence", '\n```\n{"a":1}\n```\n', { a: 1 }],
    ["truncated JSON", '{"a":', undefined],
    ["text that is not JSON", "I can't.", undefined],
    ["nothing", "", undefined],
  ])("for %s in the text is %j", (_, value, data) => {
    const answer = trimResponse({ output: [message(text(value))] }, { wantsData: true });
    expect(answer.data).toEqual(data);
    expect(Object.hasOwn(answer, "data")).toBe(data !== undefined);
    expect(answer.text).toBe(value);
    expect(trimResponse({ output: [message(text(value))] })).not.toHaveProperty("data");
  });
});

describe("a Markdown fence around the JSON", () => {
  const dataOf = (value: string): unknown => trimResponse({ output: [message(text(value))] }, { wantsData: true }).data;

  /** The rule as a regular expression: short, but its time is quadratic in line breaks. */
  const reference = (value: string): unknown => {
    const inside = /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/.exec(value)?.[1] ?? value;
    return parseJson(inside);
  };
  const piece = fc.constantFrom("```", "`", "json", "\n", "\r\n", " ", "\u2028", "1", "[2]", '"```"', "x");

  test("is removed if only the JSON is inside", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const value = pieces.join("");
        expect(dataOf(value)).toEqual(reference(value));
        const fenced = `\`\`\`${value}\`\`\``;
        expect(dataOf(fenced)).toEqual(reference(fenced));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["an open fence before 300,000 line breaks", `\`\`\`json${"\n".repeat(300_000)}x`, undefined],
    ["300,000 line breaks in a fence", `\`\`\`json\n1${"\n".repeat(300_000)}\`\`\``, 1],
    ["300,000 backticks", "`".repeat(300_000), undefined],
    ["300,000 spaces after a fence", `\`\`\`\n1\n\`\`\`${" ".repeat(300_000)}`, 1],
  ])("takes time linear in the length of the text: %s", (_, value, data) => {
    // A quadratic scan needs half a minute for these, and exceeds the time limit of a test.
    expect(dataOf(value)).toEqual(data);
  });
});

describe("tool calls", () => {
  test("have a string as arguments, even if a relay sent an object or nothing", () => {
    const call = (more: JsonObject): unknown =>
      trimResponse({ output: [{ type: "function_call", call_id: "c", name: "f", ...more }] }).tool_calls?.[0]
        ?.arguments;
    expect(call({ arguments: '{"a":1}' })).toBe('{"a":1}');
    expect(call({ arguments: { a: 1 } })).toBe('{"a":1}');
    expect(call({ arguments: null })).toBe("");
    expect(call({})).toBe("");
  });

  test("without call_id are named by their id", () => {
    expect(trimResponse({ output: [{ type: "function_call", id: "fc_1", name: "f" }] }).tool_calls).toEqual([
      { call_id: "fc_1", name: "f", arguments: "" },
    ]);
  });
});

test("trimming never fails, and the answer always has the contract's types", () => {
  const names = fc.constantFrom(
    "type",
    "text",
    "content",
    "phase",
    "summary",
    "annotations",
    "status",
    "usage",
    "model",
    "output",
    "refusal",
    "call_id",
  );
  const types = fc.constantFrom("message", "reasoning", "function_call", "output_text", "refusal");
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      types,
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("node"), { maxLength: 3 }),
      fc.dictionary(names, tie("node"), { maxKeys: 5 }),
    ),
  }));
  const response = fc.oneof(
    fc.dictionary(names, node),
    fc.array(node).map((output) => ({ output })),
    fc.jsonValue().filter(isRecord),
  );
  fc.assert(
    fc.property(response, fc.boolean(), (response, wantsData) => {
      const answer = JSON.parse(JSON.stringify(trimResponse(response as JsonObject, { wantsData }))) as Answer;
      for (const key of ["id", "model", "status", "text"] as const) expect(typeof answer[key]).toBe("string");
      expect(Number.isInteger(answer.created_at)).toBe(true);
      for (const count of Object.values(answer.usage ?? {})) expect(count).toBeGreaterThanOrEqual(0);
      for (const call of answer.tool_calls ?? [])
        expect(Object.values(call).map((value) => typeof value)).toEqual(["string", "string", "string"]);
    }),
    { numRuns: 300 },
  );
});
