// Upstream's frames as events: each read no further than somebody asks, the end told apart from a failure, and what was said before a
// failure given first.
import { Assembly, eventType, type Terminal } from "../core/upstream/assembly.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { type Frame, parseFrame } from "../core/lib/sse.ts";
import { readTextDelta, TEXT_DELTA, type TextDelta } from "../core/upstream/text-delta.ts";
import { cutProblem } from "../core/upstream/upstream-error.ts";
import type { UpstreamStream } from "../platform/upstream/upstream.ts";

export interface UpstreamEvent {
  type: string;
  readonly data: JsonObject;
  /** The event's own bytes, blank line included. */
  frame: Frame;
  /** Of a piece of text whose `data` is parsed only where it is asked for. */
  delta?: TextDelta;
}
export type EventBatch = UpstreamEvent[];

export class EventReader {
  readonly #stream: UpstreamStream;
  readonly #assembly = new Assembly();
  /** There was an event. What has none is no event stream. */
  #spoke = false;
  /** A failure that came in the same bytes as the last batch: what was said before it is given first. */
  #failure: { terminal: Terminal; events: EventBatch } | { error: unknown } | undefined;

  constructor(stream: UpstreamStream) {
    this.#stream = stream;
  }

  get firstResponse(): JsonObject | undefined {
    return this.#assembly.firstResponse;
  }

  async next(): Promise<{ events: EventBatch; terminal?: Terminal }> {
    for (;;) {
      const failure = this.#failure;
      if (failure !== undefined) {
        if ("terminal" in failure) return failure;
        this.#stream.cancel();
        throw failure.error;
      }
      const frames = await this.#stream.next();
      if (frames === null) throw this.#spoke ? cutProblem() : malformed("no event");
      const events: EventBatch = [];
      for (const frame of frames) {
        const terminal = this.#read(frame, events);
        if (terminal !== undefined) return { events, terminal };
        if (this.#failure !== undefined) break;
      }
      if (events.length > 0) return { events };
    }
  }

  /** Adds the frame's event to `events`. @returns the end, where that is an answer */
  #read(frame: Frame, events: EventBatch): Terminal | undefined {
    try {
      const event = readFrame(frame);
      if (event === undefined) return undefined;
      this.#spoke = true;
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

/** @returns undefined for what says nothing. @throws Problem */
export function readFrame(frame: Frame): UpstreamEvent | undefined {
  const delta = readTextDelta(frame);
  return delta === undefined ? parsed(frame) : new TextEvent(frame, delta);
}

/** Most events of a stream are of this kind, and most of them pass unread. */
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
    this.#data ??= parsed(this.frame)?.data ?? {};
    return this.#data;
  }
}

/** @throws Problem */
function parsed(frame: Frame): UpstreamEvent | undefined {
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
  return new Problem("upstream_invalid_response", "UniAPI's stream can't be read. The call may have been paid.", {
    paid: "maybe",
    reason,
  });
}
