// Turns upstream's frames into events, but only as fast as the reader asks for them. Distinguishes the end of an answer from a failure, and
// returns all events before a failure first.
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { type Frame, parseFrame } from "../core/lib/sse.ts";
import { Assembly, eventType, type Terminal } from "../core/upstream/assembly.ts";
import { readTextDelta, TEXT_DELTA, type TextDelta } from "../core/upstream/text-delta.ts";
import { cutProblem } from "../core/upstream/upstream-error.ts";
import type { UpstreamStream } from "../platform/upstream/upstream.ts";

export interface UpstreamEvent {
  type: string;
  readonly data: JsonObject;
  /** The event's own bytes, including the blank line. */
  frame: Frame;
  /** Set for a text delta. Its `data` is parsed only if it is read. */
  delta?: TextDelta;
}
export type EventBatch = UpstreamEvent[];

export class EventReader {
  readonly #stream: UpstreamStream;
  readonly #assembly = new Assembly();
  /** A body that ends without any event was not an event stream. */
  #hadEvent = false;
  /** A failure that `next` reports after it has returned the events that precede the failure in the same chunk. */
  #failure: { terminal: Terminal; events: EventBatch } | { error: unknown } | undefined;

  constructor(stream: UpstreamStream) {
    this.#stream = stream;
  }

  /** The first response object in the stream; undefined if there was none yet. */
  get firstResponse(): JsonObject | undefined {
    return this.#assembly.firstResponse;
  }

  /**
   * Returns the next batch, which has at least one event unless the stream ends with an error.
   * @throws Problem upstream_invalid_response for a malformed event, upstream_error if the stream ends without a terminal event
   */
  async next(): Promise<{ events: EventBatch; terminal?: Terminal }> {
    for (;;) {
      const failure = this.#failure;
      if (failure !== undefined) {
        if ("terminal" in failure) return failure;
        this.#stream.cancel();
        throw failure.error;
      }
      const frames = await this.#stream.next();
      if (frames === null) throw this.#hadEvent ? cutProblem() : malformed("no event");
      const events: EventBatch = [];
      for (const frame of frames) {
        const terminal = this.#read(frame, events);
        if (terminal !== undefined) return { events, terminal };
        if (this.#failure !== undefined) break;
      }
      if (events.length > 0) return { events };
    }
  }

  /** Adds the frame's event to `events`, or sets `#failure`. @returns the end of the answer, if this event is its end */
  #read(frame: Frame, events: EventBatch): Terminal | undefined {
    try {
      const event = readFrame(frame);
      if (event === undefined) return undefined;
      this.#hadEvent = true;
      if (event.delta !== undefined) {
        this.#assembly.addText(event.delta, frame);
        events.push(event);
        return undefined;
      }
      const terminal = this.#assembly.add(event.type, event.data, frame.length);
      if (terminal?.kind === "error") this.#failure = { terminal, events: [] };
      else if (terminal?.response["status"] === "failed") this.#failure = { terminal, events: [event] };
      else {
        events.push(event);
        return terminal;
      }
    } catch (error) {
      this.#failure = { error };
    }
    return undefined;
  }
}

/** @returns undefined for a frame without an event. @throws Problem upstream_invalid_response */
export function readFrame(frame: Frame): UpstreamEvent | undefined {
  const delta = readTextDelta(frame);
  return delta === undefined ? parseEvent(frame) : new TextEvent(frame, delta);
}

/** An event that is parsed only if its `data` is read. Most events are text deltas, and most of those are never parsed. */
class TextEvent implements UpstreamEvent {
  readonly type = TEXT_DELTA;
  readonly frame: Frame;
  readonly delta: TextDelta;
  #data: JsonObject | undefined;

  constructor(frame: Frame, delta: TextDelta) {
    this.frame = frame;
    this.delta = delta;
  }

  get data(): JsonObject {
    this.#data ??= parseEvent(this.frame)?.data ?? {};
    return this.#data;
  }
}

/** @throws Problem upstream_invalid_response */
function parseEvent(frame: Frame): UpstreamEvent | undefined {
  let event;
  try {
    event = parseFrame(decodeUtf8(frame));
  } catch {
    throw malformed();
  }
  if (event === undefined || event.data === "" || event.data === "[DONE]") return undefined;
  const data = parseJson(event.data);
  if (!isRecord(data)) throw malformed();
  return { type: eventType(data, event.event), data, frame };
}

function malformed(reason = "malformed event"): Problem {
  return new Problem("upstream_invalid_response", "UniAPI's stream can't be read. The call may have been billed.", {
    paid: "maybe",
    reason,
  });
}
