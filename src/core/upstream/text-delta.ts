// Reads a text delta, the most frequent event of a stream, without parsing its JSON. All of its keys are known, so one scan shows whether
// the event is well-formed and where its text is. The JSON parser reads an event of any other form.
import { decodeUtf8 } from "../lib/json.ts";
import type { Frame } from "../lib/sse.ts";

export const TEXT_DELTA = "response.output_text.delta";

export interface TextDelta {
  outputIndex: number;
  /** Undefined if the event has no sequence number. */
  sequenceNumber: number | undefined;
  /** `frame[from, to)` is the text, still escaped as in JSON. */
  from: number;
  to: number;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const EVENT_LINE = bytesOf(`event: ${TEXT_DELTA}\n`);
const DATA = bytesOf("data: {");
const TYPE = bytesOf(`"${TEXT_DELTA}"`);

type Kind = "type" | "text" | "number" | "empty list";

/** The keys of a text delta at OpenAI and its relays. An event with any other key is parsed, since that key may matter. */
const KEYS: readonly (readonly [name: Uint8Array, kind: Kind])[] = (
  [
    ["type", "type"],
    ["item_id", "text"],
    ["output_index", "number"],
    ["content_index", "number"],
    ["delta", "text"],
    ["logprobs", "empty list"],
    ["sequence_number", "number"],
    ["obfuscation", "text"],
  ] as const
).map(([name, kind]) => [bytesOf(`${name}"`), kind]);
/** The indexes of these keys in KEYS. */
const [DELTA, OUTPUT_INDEX, SEQUENCE_NUMBER] = [4, 2, 6];

const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const LETTER_U = 0x75;
const CLOSING_BRACE = 0x7d;
/** The characters that may follow a backslash, besides `u` and its four digits. */
const ESCAPED = new Set(bytesOf('"\\/bfnrt'));
const MAX_DIGITS = 9;

/** @returns undefined unless the frame is one complete, well-formed text delta with a single `data:` line */
export function readTextDelta(frame: Frame): TextDelta | undefined {
  let at = startsWith(frame, EVENT_LINE, 0) ? EVENT_LINE.length : 0;
  if (!startsWith(frame, DATA, at)) return undefined;
  at += DATA.length;
  const delta: TextDelta = { outputIndex: -1, sequenceNumber: undefined, from: 0, to: 0 };
  let isTyped = false;
  for (;;) {
    if (frame[at] !== QUOTE) return undefined;
    const key = keyAt(frame, at + 1);
    const [name, kind] = KEYS[key] ?? [];
    if (name === undefined) return undefined;
    at += 1 + name.length;
    if (frame[at] !== COLON) return undefined;
    at += frame[at + 1] === SPACE ? 2 : 1;
    const from = at;
    if (kind === "type") {
      if (!startsWith(frame, TYPE, at)) return undefined;
      isTyped = true;
      at += TYPE.length;
    } else if (kind === "number") {
      at = digitsEnd(frame, at);
      if (key === OUTPUT_INDEX) delta.outputIndex = numberOf(frame, from, at);
      if (key === SEQUENCE_NUMBER) delta.sequenceNumber = numberOf(frame, from, at);
    } else if (kind === "text") {
      at = stringEnd(frame, at);
      if (key === DELTA) {
        delta.from = from + 1;
        delta.to = at - 1;
      }
    } else at = frame[at] === OPENING_BRACKET && frame[at + 1] === CLOSING_BRACKET ? at + 2 : 0;
    // `at` is 0 if the value is not well-formed.
    if (at === 0) return undefined;
    if (frame[at] === COMMA) at += frame[at + 1] === SPACE ? 2 : 1;
    else break;
  }
  const isComplete =
    frame[at] === CLOSING_BRACE && frame[at + 1] === LF && frame[at + 2] === LF && frame.length === at + 3;
  return isComplete && isTyped && delta.from > 0 && delta.outputIndex >= 0 && isUtf8(frame) ? delta : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Most deltas are at most this long. A loop reads them faster than a decoder. */
const SHORT_BYTES = 32;

/** Returns the text of a delta. @param frame the frame in which `readTextDelta` found it */
export function textOfDelta(frame: Frame, { from, to }: TextDelta): string {
  let text = "";
  for (let at = from; at < to; at += 1) {
    const byte = frame[at] ?? 0;
    if (to - from > SHORT_BYTES || byte >= 0x80 || byte === BACKSLASH) {
      return JSON.parse(`"${utf8.decode(frame.subarray(from, to))}"`) as string;
    }
    text += String.fromCharCode(byte);
  }
  return text;
}

function startsWith(frame: Frame, bytes: Uint8Array, at: number): boolean {
  for (let n = 0; n < bytes.length; n += 1) if (frame[at + n] !== bytes[n]) return false;
  return true;
}

/** Returns the index in KEYS of the key at `at`; -1 if the key is unknown. */
function keyAt(frame: Frame, at: number): number {
  for (let n = 0; n < KEYS.length; n += 1) {
    const name = KEYS[n]?.[0];
    if (name !== undefined && frame[at] === name[0] && startsWith(frame, name, at)) return n;
  }
  return -1;
}

/** Returns the position after the JSON string at `start`; 0 if there is no well-formed string. */
function stringEnd(frame: Frame, start: number): number {
  if (frame[start] !== QUOTE) return 0;
  for (let at = start + 1; at < frame.length; at += 1) {
    const byte = frame[at] ?? 0;
    if (byte === QUOTE) return at + 1;
    if (byte < SPACE) return 0;
    if (byte !== BACKSLASH) continue;
    at += 1;
    const escaped = frame[at] ?? 0;
    if (escaped === LETTER_U) {
      for (let digit = 1; digit <= 4; digit += 1) if (!isHex(frame[at + digit] ?? 0)) return 0;
      at += 4;
    } else if (!ESCAPED.has(escaped)) return 0;
  }
  return 0;
}

/** Returns the position after the whole number at `start`; 0 if there is none, or if it has leading zeros or too many digits. */
function digitsEnd(frame: Frame, start: number): number {
  let at = start;
  while (isDigit(frame[at] ?? 0)) at += 1;
  const length = at - start;
  return length === 0 || length > MAX_DIGITS || (length > 1 && frame[start] === 0x30) ? 0 : at;
}

function numberOf(frame: Frame, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at += 1) value = value * 10 + ((frame[at] ?? 0) - 0x30);
  return value;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number): boolean =>
  isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);

/** Whether the frame is well-formed UTF-8. Calls the decoder only if the frame has non-ASCII bytes. */
function isUtf8(frame: Frame): boolean {
  for (let at = 0; at < frame.length; at += 1) {
    if ((frame[at] ?? 0) < 0x80) continue;
    try {
      decodeUtf8(frame);
      return true;
    } catch {
      return false;
    }
  }
  return true;
}
