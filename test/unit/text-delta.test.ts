// readTextDelta reads a text delta without JSON.parse, and only where JSON.parse would give the same result.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventBatch, readFrame } from "../../src/core/upstream/event.ts";
import { StreamRepair } from "../../src/core/upstream/stream-repair.ts";
import { TextBuilder } from "../../src/core/upstream/text-builder.ts";
import { parseFrame } from "../../src/core/lib/sse.ts";
import { readTextDelta, TEXT_DELTA, textOfDelta } from "../../src/core/upstream/text-delta.ts";

const encoder = new TextEncoder();
const OPENAI = {
  type: TEXT_DELTA,
  content_index: 0,
  delta: "pong",
  item_id: "msg_00592e63e61b66660169fab1bada8481a28ef92eb62c168ead",
  logprobs: [],
  obfuscation: "mZhSFjZXJr0X",
  output_index: 0,
  sequence_number: 4,
};

function frameOf(json: string, eventLine = `event: ${TEXT_DELTA}\n`): Uint8Array {
  return encoder.encode(`${eventLine}data: ${json}\n\n`);
}

/** Reads a frame with JSON.parse: the text, its item and its number. Undefined unless it is a well-formed event of this type. */
function readWithJson(frame: Uint8Array): { text: unknown; outputIndex: unknown; sequenceNumber: unknown } | undefined {
  try {
    const event = parseFrame(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(frame));
    const data = JSON.parse(event?.data ?? "") as Record<string, unknown>;
    if (data["type"] !== TEXT_DELTA) return undefined;
    return { text: data["delta"], outputIndex: data["output_index"], sequenceNumber: data["sequence_number"] };
  } catch {
    return undefined;
  }
}

function read(frame: Uint8Array): ReturnType<typeof readWithJson> {
  const delta = readTextDelta(frame);
  if (delta === undefined) return undefined;
  const text = new TextBuilder();
  text.addEscaped(frame, delta.from, delta.to);
  expect(textOfDelta(frame, delta)).toBe(text.toString());
  return { text: text.toString(), outputIndex: delta.outputIndex, sequenceNumber: delta.sequenceNumber };
}

const Text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", '"', "\\", "\u2028", "\ufeff", "\ud83d"),
);
const Events = fc
  .record(
    {
      type: fc.constant(TEXT_DELTA),
      content_index: fc.nat(9),
      delta: Text,
      item_id: Text,
      logprobs: fc.constant([]),
      obfuscation: Text,
      output_index: fc.nat(999),
      sequence_number: fc.nat(999_999_999),
    },
    { requiredKeys: ["type", "delta", "output_index"] },
  )
  .chain((event) => fc.shuffledSubarray(Object.entries(event), { minLength: Object.keys(event).length }))
  .map((entries) => Object.fromEntries(entries) as Record<string, unknown>);

describe("readTextDelta", () => {
  test("reads the format of OpenAI, with and without the event line, and of Python's JSON", () => {
    const spaced = JSON.stringify(OPENAI).replaceAll('":', '": ').replaceAll(',"', ', "');
    for (const frame of [frameOf(JSON.stringify(OPENAI)), frameOf(JSON.stringify(OPENAI), ""), frameOf(spaced)]) {
      expect(read(frame)).toEqual({ text: "pong", outputIndex: 0, sequenceNumber: 4 });
    }
  });

  test("gives the same result as JSON.parse for any text and any order of keys", () => {
    fc.assert(
      fc.property(Events, (event) => {
        // JSON.stringify escapes lone surrogates. Other characters may be escaped, too.
        const escaped = JSON.stringify(event).replaceAll(
          /[\u0080-\uffff]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        for (const json of [JSON.stringify(event), escaped]) {
          const { delta, output_index, sequence_number } = event;
          expect(read(frameOf(json))).toEqual({
            text: delta,
            outputIndex: output_index,
            sequenceNumber: sequence_number,
          });
        }
      }),
    );
  });

  test("gives undefined or the same result as JSON.parse if bytes are changed, removed or added", () => {
    const Change = fc.record({
      at: fc.nat(),
      byte: fc.nat(255),
      kind: fc.constantFrom("change", "remove", "add", "cut"),
    });
    fc.assert(
      fc.property(Events, fc.array(Change, { minLength: 1, maxLength: 3 }), (event, changes) => {
        let bytes = [...frameOf(JSON.stringify(event))];
        for (const { at, byte, kind } of changes) {
          const place = at % bytes.length;
          if (kind === "cut") bytes = bytes.slice(0, place + 1);
          else bytes.splice(place, kind === "add" ? 0 : 1, ...(kind === "remove" ? [] : [byte]));
        }
        const frame = Uint8Array.from(bytes);
        const result = read(frame);
        if (result !== undefined) expect(result).toEqual(readWithJson(frame));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("readTextDelta gives undefined for an event", () => {
  test.each([
    ["with the id of the response", { ...OPENAI, response_id: "resp_1" }],
    ["with an unknown key", { ...OPENAI, error: { code: "x" } }],
    ["of another type", { ...OPENAI, type: "response.refusal.delta" }],
    ["with log probabilities", { ...OPENAI, logprobs: [{ token: "x" }] }],
    ["without text", { ...OPENAI, delta: null }],
    ["without an index", { type: TEXT_DELTA, delta: "x" }],
  ])("%s", (_, event) => {
    expect(readTextDelta(frameOf(JSON.stringify(event)))).toBeUndefined();
  });

  test.each([
    [
      "in several lines",
      `event: ${TEXT_DELTA}\ndata: {"type":"${TEXT_DELTA}",\ndata: "delta":"x","output_index":0}\n\n`,
    ],
    ["with another line after it", `data: {"type":"${TEXT_DELTA}","delta":"x","output_index":0}\nid: 1\n\n`],
    ["with CRLF line endings", `data: {"type":"${TEXT_DELTA}","delta":"x","output_index":0}\r\n\r\n`],
    ["with a control character in it", `data: {"type":"${TEXT_DELTA}","delta":"x\u0001","output_index":0}\n\n`],
    ["with a number that is not valid JSON", `data: {"type":"${TEXT_DELTA}","delta":"x","output_index":01}\n\n`],
  ])("%s", (_, text) => {
    expect(readTextDelta(encoder.encode(text))).toBeUndefined();
  });
});

test("a merge of parsed and unparsed deltas gives the same response as one of parsed deltas only", () => {
  const Piece = fc.record({
    text: Text.filter((text) => text.isWellFormed()),
    index: fc.nat(2),
    unparsed: fc.boolean(),
  });
  const run = (frames: readonly Uint8Array[]): unknown => {
    const repair = new StreamRepair({ random: () => "00", now: 1, live: undefined });
    const out: EventBatch = [];
    for (const frame of frames) {
      const event = readFrame(frame);
      if (event !== undefined) repair.push(event, out);
    }
    const end = repair.finish({ id: "r", output: [] }, "completed", out);
    const deltas = out
      .filter(({ type }) => type === TEXT_DELTA)
      .map(({ data }) => [data["output_index"], data["delta"]]);
    return { end, deltas };
  };
  fc.assert(
    fc.property(fc.array(Piece), (pieces) => {
      const added = [0, 1, 2, 3].map((output_index) =>
        encoder.encode(
          `data: ${JSON.stringify({ type: "response.output_item.added", output_index, item: { type: "message", id: `msg_${output_index}` } })}\n\n`,
        ),
      );
      const jsonOf = ({ text, index }: (typeof pieces)[number]): string =>
        JSON.stringify({
          ...OPENAI,
          item_id: `msg_${index}`,
          delta: text,
          output_index: index,
          sequence_number: undefined,
        });
      // A space before a comma makes the fast reader leave the frame to the JSON parser.
      const mixed = pieces.map((piece) =>
        frameOf(piece.unparsed ? jsonOf(piece) : jsonOf(piece).replace(',"delta"', ' ,"delta"')),
      );
      const parsed = pieces.map((piece) => frameOf(jsonOf(piece).replace(',"delta"', ' ,"delta"')));
      expect(run([...added, ...mixed])).toEqual(run([...added, ...parsed]));
    }),
  );
});
