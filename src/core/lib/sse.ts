// Server-sent events (WHATWG HTML, section 9.2): bytes to whole frames and frames to events, framing done once, at any chunk
// boundary and with any line ending. Two quirks of UniAPI are read here and nowhere else: a bare line of JSON counts as an event's
// data, and `::PING` is a comment like any other.

const LF = 10;
const CR = 13;
const EMPTY = new Uint8Array(0);

/** One event as it came: its bytes, blank line included. */
export type Frame = Uint8Array;

export interface ServerSentEvent {
  /** The `event:` line, "" where there is none. */
  event: string;
  /** The `data:` lines joined with line feeds. */
  data: string;
}

/** A frame grew beyond the cap: the stream can't be trusted any more. */
export class FrameTooLarge extends Error {}

/** Cuts a byte stream into frames. Bytes are looked at once, however they are chunked; an unfinished frame is kept in pieces. */
export class FrameSplitter {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #held = 0;
  /** Whether the bytes so far end at the start of a line, so that another line end closes the frame. */
  #lineEmpty = true;
  /** The last byte was a CR: an LF that follows belongs to the same line end. */
  #afterCr = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws FrameTooLarge */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let nextCr = indexOrEnd(bytes, CR, 0);
    let start = 0;
    let at = 0;
    while (at < bytes.length) {
      const byte = bytes[at];
      if (byte === LF && this.#afterCr) {
        this.#afterCr = false;
        at += 1;
        // The frame was closed at the CR: its LF goes with it, or opens the next one, where parsing ignores it.
        continue;
      }
      this.#afterCr = byte === CR;
      if (byte === LF || byte === CR) {
        at += 1;
        if (this.#lineEmpty) {
          if (byte === CR && bytes[at] === LF) {
            at += 1;
            this.#afterCr = false;
          }
          // Most pieces are one frame, whole: no view of it is needed.
          const frame = this.#close(start === 0 && at === bytes.length ? bytes : bytes.subarray(start, at));
          if (frame !== undefined) frames.push(frame);
          start = at;
        }
        this.#lineEmpty = true;
        continue;
      }
      this.#lineEmpty = false;
      if (nextCr <= at) nextCr = indexOrEnd(bytes, CR, at + 1);
      at = Math.min(nextCr, indexOrEnd(bytes, LF, at + 1));
    }
    if (start < bytes.length) this.#hold(bytes.subarray(start));
    return frames;
  }

  /** What came after the last blank line: an unfinished frame, or undefined. */
  end(): Frame | undefined {
    const rest = this.#close(EMPTY);
    return rest !== undefined && rest.some((byte) => byte !== LF && byte !== CR) ? rest : undefined;
  }

  #hold(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#held += piece.length;
    if (this.#held > this.#maxBytes) throw new FrameTooLarge(`an event is larger than ${this.#maxBytes} bytes`);
    this.#pieces.push(piece);
  }

  #close(last: Uint8Array): Frame | undefined {
    this.#hold(last);
    const pieces = this.#pieces;
    const size = this.#held;
    this.#pieces = [];
    this.#held = 0;
    if (pieces.length < 2) return pieces[0];
    const frame = new Uint8Array(size);
    let offset = 0;
    for (const piece of pieces) {
      frame.set(piece, offset);
      offset += piece.length;
    }
    return frame;
  }
}

function indexOrEnd(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

const LINE_END = /\r\n|\n|\r/;

/** The event in a frame's text, or undefined where it holds none (comments, blank lines). */
export function parseFrame(text: string): ServerSentEvent | undefined {
  let event = "";
  let data: string | undefined;
  for (const line of text.split(LINE_END)) {
    if (line === "" || line.startsWith(":")) continue;
    if (line.startsWith("{")) {
      data = data === undefined ? line : `${data}\n${line}`;
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
    else if (field === "event") event = value;
  }
  return data === undefined ? undefined : { event, data };
}

/** One event as text to send. `data` is one line, as JSON.stringify makes it. */
export function formatEvent(id: string | undefined, event: string, data: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}
