// Frames contain every byte of a stream, however it is chunked, and give the same events as a reference parser.
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeUtf8 } from "../../src/core/lib/json.ts";
import {
  formatEvent,
  type Frame,
  FrameSplitter,
  FrameTooLarge,
  parseFrame,
  type ServerSentEvent,
} from "../../src/core/lib/sse.ts";

const MAX = 1_048_576;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textsOf = (frames: readonly Frame[]): string[] => frames.map((frame) => new TextDecoder().decode(frame));

function split(chunks: readonly Uint8Array[], max = MAX): { frames: Frame[]; rest: Frame | undefined } {
  const splitter = new FrameSplitter(max);
  const frames = chunks.flatMap((chunk) => splitter.push(chunk));
  return { frames, rest: splitter.end() };
}

const eventsIn = (frames: readonly Frame[]): ServerSentEvent[] =>
  frames.map((frame) => parseFrame(decodeUtf8(frame))).filter((event) => event !== undefined);

function referenceEvents(text: string): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  createParser({ onEvent: ({ event = "", data }) => events.push({ event, data }) }).feed(text);
  return events;
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.slice(edges[index], edge));
}

const word = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replaceAll(/[\r\n]/g, "§"));
const fieldLine = fc
  .tuple(
    fc.oneof(fc.constantFrom("data", "data", "data", "event", "id", "retry", "DATA", "dat", "", "events"), word),
    fc.constantFrom(":", ": ", ":  ", "", ": data: "),
    fc.oneof(word, fc.constantFrom("", " ", "[DONE]", '{"type":"x"}')),
  )
  .map((parts) => parts.join(""))
  // A bare line of JSON is a quirk of UniAPI, and a byte order mark matters at the start only: both have their own tests.
  .filter((line) => !/^[{\uFEFF]/.test(line));
const line = fc.oneof(
  { weight: 6, arbitrary: fieldLine },
  { weight: 3, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.constantFrom(": comment", "::PING", ":") },
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 25 })
  .map((lines) => lines.map((parts) => parts.join("")).join(""));

describe("splitting bytes into frames", () => {
  test("any stream in any chunks gives the same events as the reference parser", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 8 }), (text, cuts) => {
        expect(eventsIn(split(cutAt(bytesOf(text), cuts)).frames)).toEqual(referenceEvents(text));
      }),
      { numRuns: 500 },
    );
  });

  test("the joined frames equal the stream in any chunks, except for line ends at its end", () => {
    fc.assert(
      fc.property(
        stream,
        fc.string({ unit: "grapheme", maxLength: 9 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        (head, tail, cuts) => {
          const text = head + tail;
          const { frames, rest } = split(cutAt(bytesOf(text), cuts));
          const joined = Buffer.concat(rest === undefined ? frames : [...frames, rest]).toString();
          expect(text.startsWith(joined)).toBe(true);
          expect(text.slice(joined.length)).toMatch(/^[\r\n]*$/);
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each([
    ["line feeds", "event: a\ndata: 1\n\ndata: 2\n\n"],
    ["carriage returns", "event: a\rdata: 1\r\rdata: 2\r\r"],
    ["both together", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n"],
    ["a mixture", "event: a\r\ndata: 1\n\r\ndata: 2\r\n\r"],
    ["characters of several bytes", "event: a\ndata: 1\n\ndata: 2é中😀\n\n"],
  ])("the events are the same wherever the stream is cut: %s", (_, text) => {
    const bytes = bytesOf(text);
    const events = eventsIn(split([bytes]).frames);
    expect(events).toEqual(referenceEvents(text));
    expect(events).toHaveLength(2);
    expect(eventsIn(split(Array.from(bytes, (byte) => Uint8Array.of(byte))).frames)).toEqual(events);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(eventsIn(split([bytes.slice(0, at), bytes.slice(at)]).frames), `cut at ${at}`).toEqual(events);
    }
  });

  test("a frame includes its blank line, and is complete as soon as that has arrived", () => {
    const splitter = new FrameSplitter(MAX);
    expect(textsOf(splitter.push(bytesOf("data: 1\n\ndata: 2\n")))).toEqual(["data: 1\n\n"]);
    expect(textsOf(splitter.push(bytesOf("\ndata: 3")))).toEqual(["data: 2\n\n"]);
    expect(textsOf(splitter.push(bytesOf("\r")))).toEqual([]);
    expect(textsOf(splitter.push(bytesOf("\r")))).toEqual(["data: 3\r\r"]);
    expect(splitter.end()).toBeUndefined();
  });

  test("the bytes after the last blank line are returned as the rest, unless they are line ends alone", () => {
    expect(textsOf([split([bytesOf("data: 1\n\ndata: 2")]).rest ?? new Uint8Array()])).toEqual(["data: 2"]);
    expect(split([bytesOf("data: 1\r\n\r"), bytesOf("\n")]).rest).toBeUndefined();
    expect(split([]).rest).toBeUndefined();
  });

  test("a frame in two chunks is joined", () => {
    const splitter = new FrameSplitter(MAX);
    const [frame] = [...splitter.push(bytesOf("data: 1")), ...splitter.push(bytesOf("23\n\n"))];
    expect(textsOf([frame ?? new Uint8Array()])).toEqual(["data: 123\n\n"]);
  });
});

describe("the cap on one event", () => {
  test("an endless event is refused at the cap, in one chunk or many", () => {
    const endless = bytesOf(`data: ${"x".repeat(94)}`);
    expect(() => split([endless], 100)).not.toThrow();
    expect(() => split([endless, bytesOf("y")], 100)).toThrow(FrameTooLarge);
    expect(() => split([bytesOf(`data: ${"x".repeat(95)}`)], 100)).toThrow(FrameTooLarge);
    const splitter = new FrameSplitter(100);
    const pushes = Array.from({ length: 101 }, () => () => splitter.push(bytesOf("x")));
    for (const push of pushes.slice(0, 100)) push();
    expect(pushes[100]).toThrow(FrameTooLarge);
  });

  test("endless lines without a blank line are refused too", () => {
    expect(() => split([bytesOf(": ping\n".repeat(20))], 100)).toThrow(FrameTooLarge);
  });

  test("a complete event beyond the cap is refused, but one chunk may hold many events below it", () => {
    expect(() => split([bytesOf(`data: ${"x".repeat(120)}\n\n`)], 100)).toThrow(FrameTooLarge);
    expect(split([bytesOf("data: 1\n\n".repeat(1_000))], 100).frames).toHaveLength(1_000);
  });
});

describe("parsing a frame", () => {
  test.each<[string, string, ServerSentEvent | undefined]>([
    ["a bare line of JSON is data", '{"error":{"code":"x"}}\n', { event: "", data: '{"error":{"code":"x"}}' }],
    ["a bare line of JSON after an event line", 'event: error\n{"a":1}\n\n', { event: "error", data: '{"a":1}' }],
    ["::PING is a comment", "::PING\n\n", undefined],
    ["::PING beside data does not disturb it", "::PING\ndata: 1\n\n", { event: "", data: "1" }],
    ["a comment is not an event", ": OPENROUTER PROCESSING\n\n", undefined],
    ["an event without data is dropped", "event: ping\nid: 4\n\n", undefined],
    ["data without a colon is empty data", "data\n\n", { event: "", data: "" }],
    ["several data lines are joined", "data: a\ndata:b\ndata:  c\n\n", { event: "", data: "a\nb\n c" }],
    ["the last event line is used", "event: a\nevent: b\ndata: 1\n\n", { event: "b", data: "1" }],
    ["field names are case-sensitive", "Data: 1\n\n", undefined],
    ["an empty frame is not an event", "\n\n", undefined],
  ])("%s", (_, text, event) => {
    expect(parseFrame(text)).toEqual(event);
  });

  test("a byte order mark before the first event is ignored", () => {
    const bytes = bytesOf("\uFEFFdata: 1\n\n");
    expect(eventsIn(split([bytes.slice(0, 2), bytes.slice(2)]).frames)).toEqual([{ event: "", data: "1" }]);
  });

  test("parseFrame and the reference parser can read an event from formatEvent", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const data = JSON.stringify(value);
        const text = formatEvent("run-1", "text", data);
        expect(parseFrame(text)).toEqual({ event: "text", data });
        expect(referenceEvents(text)).toEqual([{ event: "text", data }]);
      }),
    );
  });
});
