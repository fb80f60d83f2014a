// The client's decoder of server-sent events: it returns the reference parser's events, however the bytes are split, and limits its memory.
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createDecoder, type ServerSentEvent } from "../../src/client/decode.ts";

interface DecodedEvent {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
/** An absent field and an empty one mean the same. */
const normalize = ({
  id,
  event,
  data = "",
}: {
  id?: string | undefined;
  event?: string | undefined;
  data?: string;
}): DecodedEvent => ({
  id: id || undefined,
  event: event || undefined,
  data,
});

function decodeAll(chunks: readonly Uint8Array[]): DecodedEvent[] {
  const decode = createDecoder();
  return chunks.flatMap((chunk): ServerSentEvent[] => decode(chunk)).map(normalize);
}

function reference(text: string): DecodedEvent[] {
  const events: DecodedEvent[] = [];
  createParser({ onEvent: (event) => events.push(normalize(event)) }).feed(text);
  return events;
}

function splitAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.slice(edges[index], edge));
}

const word = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replaceAll(/[\r\n\0]/g, "§"));
const fieldLine = fc
  .tuple(
    fc.constantFrom(
      "data",
      "data",
      "data",
      "event",
      "id",
      "retry",
      "DATA",
      "dat",
      "",
      "events",
      "constructor",
      "__proto__",
    ),
    fc.constantFrom(":", ": ", ":  ", "", ": data: "),
    word,
  )
  .map((parts) => parts.join(""))
  // A byte order mark is special only at the start of a stream.
  .filter((line) => !line.startsWith("\uFEFF"));
const line = fc.oneof(
  { weight: 6, arbitrary: fieldLine },
  { weight: 3, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.constantFrom(": ping", ":") },
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 25 })
  .map((lines) => lines.map((parts) => parts.join("")).join(""));

test("any stream, split anywhere, gives the same events as the reference parser", () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 8 }), (text, cuts) => {
      expect(decodeAll(splitAt(bytesOf(text), cuts))).toEqual(reference(text));
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ["line feeds", "id: a-0\nevent: a\ndata: 1\n\n: ping\n\ndata: 2é中😀\n\n"],
  ["carriage returns", "id: a-0\revent: a\rdata: 1\r\rdata: 2\r\r"],
  ["both together", "id: a-0\r\nevent: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n"],
  ["a mixture", "id: a-0\r\nevent: a\ndata: 1\n\r\ndata: 2\r\n\r"],
])("the events are the same wherever the bytes are split in two, and byte by byte: %s", (_, text) => {
  const bytes = bytesOf(text);
  const expected = decodeAll([bytes]);
  expect(expected).toHaveLength(2);
  for (let cut = 0; cut <= bytes.length; cut += 1)
    expect(decodeAll([bytes.slice(0, cut), bytes.slice(cut)])).toEqual(expected);
  expect(decodeAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
});

test("an event is returned only once it is complete", () => {
  expect(decodeAll([bytesOf("id: a-0\ndata: 1\n")])).toEqual([]);
});

test.each([
  ["in one line", "data: "],
  ["in many", "data: x\ndata: "],
])("an event that never ends is an error, %s", (_, start) => {
  const decode = createDecoder(1_000);
  decode(bytesOf(start));
  const feed = (): void => {
    for (let chunks = 0; chunks < 100; chunks += 1)
      decode(bytesOf(start === "data: " ? "x".repeat(20) : `${"x".repeat(14)}\ndata: `));
  };
  expect(feed).toThrow(RangeError);
});

test("endless pings are not an event", () => {
  const decode = createDecoder(100);
  for (let pings = 0; pings < 100; pings += 1) expect(decode(bytesOf(": ping\n\n"))).toEqual([]);
});

test("a long line in small chunks takes time in proportion to its length", () => {
  const chunk = bytesOf("x".repeat(1_000));
  const decode = createDecoder();
  decode(bytesOf("data: "));
  // Scanning all earlier text for each chunk would be 32 GB.
  for (let chunks = 0; chunks < 8_000; chunks += 1) decode(chunk);
  expect(decode(bytesOf("\n\n"))[0]?.data).toHaveLength(8_000_000);
});
