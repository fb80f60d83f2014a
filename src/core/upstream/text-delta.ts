// Reads a text delta, the most frequent event of a stream, without parsing its JSON. All of its keys are known, so one scan shows whether
// the event is well-formed and where its text is. The JSON parser reads an event of any other form.
import { concatBytes } from "../lib/bytes.ts";
import { decodeUtf8 } from "../lib/json.ts";
import type { Frame } from "../lib/sse.ts";

export const TEXT_DELTA = "response.output_text.delta";

export interface TextDelta {
  outputIndex: number;
  /** -1 if the event has no content index. */
  contentIndex: number;
  /** Undefined if the event has no sequence number. */
  sequenceNumber: number | undefined;
  /** `frame[from, to)` is the text, still escaped as in JSON. */
  from: number;
  to: number;
  /** Whether the text has an escaped surrogate, which may be half of a character whose other half is in the next delta. */
  hasSurrogate: boolean;
  /** `frame[idFrom, idTo)` is the item's id, still escaped as in JSON. Both are 0 if the event has no item id. */
  idFrom: number;
  idTo: number;
  /** `frame[numberFrom, numberTo)` is the sequence number. Both are 0 if there is none. */
  numberFrom: number;
  numberTo: number;
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
const [ITEM_ID, OUTPUT_INDEX, CONTENT_INDEX, DELTA, SEQUENCE_NUMBER] = [1, 2, 3, 4, 6];

const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const DIGIT_8 = 0x38;
const LETTER_D = 0x64;
const LETTER_U = 0x75;
const CLOSING_BRACE = 0x7d;
/** The characters that may follow a backslash, besides `u` and its four digits. */
const ESCAPED = new Set(bytesOf('"\\/bfnrt'));
const MAX_DIGITS = 9;

/**
 * Finds the values of a text delta in its frame.
 * @returns undefined unless the frame is one complete, well-formed text delta with an output index, known keys and a single `data:` line
 */
export function readTextDelta(frame: Frame): TextDelta | undefined {
  let at = startsWith(frame, EVENT_LINE, 0) ? EVENT_LINE.length : 0;
  if (!startsWith(frame, DATA, at)) return undefined;
  at += DATA.length;
  const delta: TextDelta = {
    outputIndex: -1,
    contentIndex: -1,
    sequenceNumber: undefined,
    from: 0,
    to: 0,
    hasSurrogate: false,
    idFrom: 0,
    idTo: 0,
    numberFrom: 0,
    numberTo: 0,
  };
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
      else if (key === CONTENT_INDEX) delta.contentIndex = numberOf(frame, from, at);
      else if (key === SEQUENCE_NUMBER) {
        delta.sequenceNumber = numberOf(frame, from, at);
        delta.numberFrom = from;
        delta.numberTo = at;
      }
    } else if (kind === "text") {
      at = stringEnd(frame, at);
      if (key === DELTA) {
        delta.from = from + 1;
        delta.to = at - 1;
        delta.hasSurrogate = hasSurrogate;
      } else if (key === ITEM_ID) {
        delta.idFrom = from + 1;
        delta.idTo = at - 1;
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

/** Whether the delta names this item. @param id the item's id as bytes, without characters that JSON escapes */
export function hasItemId(frame: Frame, { idFrom, idTo }: TextDelta, id: Uint8Array): boolean {
  return idTo - idFrom === id.length && startsWith(frame, id, idFrom);
}

/** Returns the frame with another sequence number. All other bytes stay the same. */
export function withSequenceNumber(frame: Frame, { numberFrom, numberTo }: TextDelta, number: number): Frame {
  // Without a number, one is added before the closing brace, which precedes the two line feeds at the end.
  const end = frame.length - 3;
  return numberFrom === 0
    ? concatBytes([frame.subarray(0, end), bytesOf(`,"sequence_number":${number}`), frame.subarray(end)])
    : concatBytes([frame.subarray(0, numberFrom), bytesOf(String(number)), frame.subarray(numberTo)]);
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

/** Whether the string that `stringEnd` read last has an escaped surrogate. A second result would need an object for every string. */
let hasSurrogate = false;

/** Returns the position after the JSON string at `start`; 0 if there is no well-formed string. */
function stringEnd(frame: Frame, start: number): number {
  hasSurrogate = false;
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
      // Surrogates are U+D800 to U+DFFF.
      hasSurrogate ||= ((frame[at + 1] ?? 0) | SPACE) === LETTER_D && (frame[at + 2] ?? 0) >= DIGIT_8;
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
