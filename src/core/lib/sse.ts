// Parses server-sent events (WHATWG HTML §9.2): splits bytes into frames, with any chunk boundaries and line endings, and parses frames
// into events. Handles two quirks of UniAPI: a bare line of JSON is an event's data, and `::PING` is a comment.
import { concatBytes } from "./bytes.ts";

const LF = 10;
const CR = 13;
const EMPTY = new Uint8Array(0);

/** The bytes of one event, including the blank line at its end. */
export type Frame = Uint8Array;

export interface ServerSentEvent {
  /** The value of the `event:` line; "" if there is none. */
  event: string;
  /** The values of the `data:` lines, joined with line feeds. */
  data: string;
}

/** Thrown when a frame exceeds the cap. The rest of the stream can't be trusted then. */
export class FrameTooLarge extends Error {}

/**
 * Splits a byte stream into frames. Scans each byte once, however the stream is chunked, and stores an unfinished frame as a list of
 * chunks.
 */
export class FrameSplitter {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  /** Whether the last bytes were a line end, so that another one completes the frame. Also true at the start of the stream. */
  #lineEmpty = true;
  /** Whether the last byte was a CR. An LF after it belongs to the same line end. */
  #afterCr = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Adds a chunk.
   * @returns the frames that it completes
   * @throws FrameTooLarge
   */
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
        // The CR may have completed a frame in the chunk before. Then this LF starts the next frame, where parsing ignores it.
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
          // Most chunks are exactly one frame, which needs no subarray.
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

  /** Returns the unfinished frame after the last blank line; undefined if there is none. */
  end(): Frame | undefined {
    const rest = this.#close(EMPTY);
    return rest !== undefined && rest.some((byte) => byte !== LF && byte !== CR) ? rest : undefined;
  }

  #hold(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) throw new FrameTooLarge(`an event is larger than ${this.#maxBytes} bytes`);
    this.#chunks.push(chunk);
  }

  #close(last: Uint8Array): Frame | undefined {
    this.#hold(last);
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#size = 0;
    return chunks.length < 2 ? chunks[0] : concatBytes(chunks);
  }
}

function indexOrEnd(bytes: Uint8Array, byte: number, from: number): number {
  const index = bytes.indexOf(byte, from);
  return index === -1 ? bytes.length : index;
}

const LINE_END = /\r\n|\n|\r/;

/** Parses the text of a frame. @returns undefined if the frame has no data, only comments and blank lines */
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

/** Formats an event for the wire. @param data a single line, such as the result of JSON.stringify */
export function formatEvent(id: string | undefined, event: string, data: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}
