// Asks upstream until there is something to answer with: the first events of a stream, or a whole response. Before that point
// nothing has left for the caller, so an unpaid refusal may be tried again: on the next model of `fallback`, or after a short wait.
import { Assembly, eventType, type Terminal } from "../core/assembly.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../core/json.ts";
import { Problem } from "../core/problem.ts";
import { type Frame, parseFrame } from "../core/sse.ts";
import { readTextDelta, TEXT_DELTA, type TextDelta } from "../core/text-delta.ts";
import { cutProblem } from "../core/upstream-error.ts";
import type { Deps } from "../deps.ts";
import type { UpstreamStream } from "../platform/upstream/upstream.ts";

/** A refusal that asks for more patience than this is the caller's to obey. */
const MAX_WAIT_S = 5;
/** One event of a stream for a locked caller (contract section 8). */
const LOCKED_EVENT_BYTES = 1_048_576;
/** How long a stream that has said everything may take to close. */
const DRAIN_MS = 2_000;

export interface UpstreamEvent {
  type: string;
  readonly data: JsonObject;
  /** The event's own bytes, blank line included. */
  frame: Frame;
  /** Of a piece of text whose `data` is parsed only where it is asked for. */
  delta?: TextDelta;
}
export type EventBatch = UpstreamEvent[];

/** `model` is the one of `models` that answers. */
export type Opened =
  | { kind: "whole"; model: string; response: JsonObject }
  | {
      kind: "stream";
      model: string;
      /** The response object as the first events showed it, if they did. */
      first: JsonObject | undefined;
      /** Reads ahead, and holds what it reads, until an event shows a response object. @returns undefined: none ever does. @throws Problem */
      look: () => Promise<JsonObject | undefined>;
      /** What upstream's next bytes say, at least one event; the last batch has the terminal one. @throws Problem, also for an end without it */
      next: () => Promise<{ events: EventBatch; terminal?: Terminal }>;
      /** After the terminal event: lets upstream close in peace, so that it does not take us for a client who left. */
      drain: () => Promise<void>;
      cancel: () => void;
    };

export interface UpstreamCall {
  /** The upstream body but for `stream`; `model` comes from `models`. */
  body: JsonObject;
  /** Tried in order while upstream says, unpaid, that it has no such model. */
  models: readonly string[];
  stream: boolean;
  /** Wait once where upstream asks for a short wait. */
  retries: boolean;
  /** The caller is locked: what it may hear at once is smaller. */
  locked: boolean;
  signal: AbortSignal;
}

/** @throws Problem */
export async function openStream(deps: Deps, { body, models, stream, retries, locked, signal }: UpstreamCall): Promise<Opened> {
  let waited = false;
  for (let at = 0; ;) {
    try {
      return await open(deps, { ...body, model: models[at] ?? "" }, stream, locked, signal);
    } catch (error) {
      if (!(error instanceof Problem) || error.details.paid !== "unpaid" || signal.aborted) throw error;
      const wait = error.details.upstreamRetryAfter;
      if (error.details.noSuchModel === true && at + 1 < models.length) at += 1;
      else if (retries && !waited && isBusy(error) && wait !== undefined && wait <= MAX_WAIT_S) {
        waited = true;
        await deps.sleep(wait * 1_000);
      } else throw error;
    }
  }
}

function isBusy(problem: Problem): boolean {
  return problem.code === "upstream_rate_limited" || problem.code === "upstream_unavailable";
}

/** The whole response of a stream that nobody watches. @throws Problem */
export async function gather(deps: Deps, opened: Opened, later: (work: Promise<unknown>) => void): Promise<JsonObject> {
  if (opened.kind === "whole") return opened.response;
  for (;;) {
    const { terminal } = await opened.next();
    if (terminal === undefined) continue;
    later(opened.drain());
    return await readTerminal(deps, terminal);
  }
}

async function open(
  deps: Deps,
  body: JsonObject & { model: string },
  stream: boolean,
  locked: boolean,
  signal: AbortSignal,
): Promise<Opened> {
  const { model } = body;
  const reply = await deps.upstream.create(body, stream, signal, locked ? LOCKED_EVENT_BYTES : undefined);
  if (reply.kind === "response") return { kind: "whole", model, response: reply.response };
  const events = new EventReader(reply.stream);
  const first = await events.next();
  if (first.terminal?.kind === "error" && first.events.length === 0) {
    reply.stream.cancel();
    throw deps.upstream.fault(first.terminal.body);
  }
  const held = [first];
  const shownIn = (batch: typeof first): JsonObject | undefined =>
    batch.terminal?.kind === "response" ? batch.terminal.response : events.first;
  return {
    kind: "stream",
    model,
    first: shownIn(first),
    async look() {
      for (let batch: typeof first | undefined = first; ;) {
        const shown = batch === undefined ? undefined : shownIn(batch);
        if (shown !== undefined || batch?.terminal !== undefined) return shown;
        batch = await events.next();
        held.push(batch);
      }
    },
    next() {
      const first = held.shift();
      return first === undefined ? events.next() : Promise.resolve(first);
    },
    async drain() {
      const timer = setTimeout(() => reply.stream.cancel(), DRAIN_MS);
      try {
        while ((await reply.stream.next()) !== null);
      } catch {
        // The answer is whole; how its connection ends is nobody's business.
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: reply.stream.cancel,
  };
}

/** The response object of an end, or the Problem that an error at the end is. */
export async function readTerminal(deps: Deps, terminal: Terminal): Promise<JsonObject> {
  if (terminal.kind === "response") return terminal.response;
  const problem = deps.upstream.fault(terminal.body);
  throw terminal.begun ? new Problem(problem.code, problem.message, { ...problem.details, paid: "maybe" }) : problem;
}

class EventReader {
  readonly #stream: UpstreamStream;
  readonly #assembly = new Assembly();
  /** There was an event. What has none is no event stream. */
  #spoke = false;
  /** A failure that came in the same bytes as the last batch: what was said before it is given first. */
  #failure: { terminal: Terminal; events: EventBatch } | { error: unknown } | undefined;

  constructor(stream: UpstreamStream) {
    this.#stream = stream;
  }

  get first(): JsonObject | undefined {
    return this.#assembly.first;
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
