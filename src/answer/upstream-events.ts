// Turns upstream's frames into complete events, but only as fast as the reader asks for them. Distinguishes the end of an answer from a
// failure, and returns all events that precede a failure first.
import type { JsonObject } from "../core/lib/json.ts";
import { type EventBatch, malformed, readFrame } from "../core/upstream/event.ts";
import { type RepairOptions, StreamRepair, type Terminal } from "../core/upstream/stream-repair.ts";
import type { Frame } from "../core/lib/sse.ts";
import { cutProblem } from "../core/upstream/upstream-error.ts";
import type { UpstreamStream } from "../platform/upstream/upstream.ts";

export class EventReader {
  readonly #stream: UpstreamStream;
  readonly #repair: StreamRepair;
  /** Whether the body had any event. If it had none, it is not an event stream. */
  #hadEvent = false;
  /** A failure that `next` reports after the events that precede it in the same chunk. */
  #failure: { terminal: Terminal } | { error: unknown } | undefined;

  constructor(stream: UpstreamStream, options: RepairOptions) {
    this.#stream = stream;
    this.#repair = new StreamRepair(options);
  }

  /** The fields of the response so far; undefined until the first event. */
  get response(): JsonObject | undefined {
    return this.#repair.response;
  }

  /** Whether the model has begun to answer. */
  get hasOutput(): boolean {
    return this.#repair.hasOutput;
  }

  /** Returns the response of a stream that failed, with the items so far. */
  failedResponse(): JsonObject {
    return this.#repair.failedResponse();
  }

  /**
   * Returns the next batch, which has at least one event unless the stream ends with an error.
   * @throws Problem upstream_invalid_response for a stream that can't be read or contradicts itself; upstream_error if it ends without a
   * terminal event
   */
  async next(): Promise<{ events: EventBatch; terminal?: Terminal }> {
    for (;;) {
      const failure = this.#failure;
      if (failure !== undefined) {
        if ("terminal" in failure) return { events: [], terminal: failure.terminal };
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

  /** Adds the frame's events to `events`, or sets `#failure`. @returns the end of the answer, if this frame has it */
  #read(frame: Frame, events: EventBatch): Terminal | undefined {
    try {
      const event = readFrame(frame);
      if (event === undefined) return undefined;
      this.#hadEvent = true;
      const terminal = this.#repair.push(event, events, frame);
      if (terminal?.kind !== "error") return terminal;
      this.#failure = { terminal };
    } catch (error) {
      this.#failure = { error };
    }
    return undefined;
  }
}
