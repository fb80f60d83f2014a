// Opens a call to upstream: waits for the first events of a stream, or for a complete response. Until then nothing was sent to the caller,
// so an unpaid refusal may lead to another attempt, either with the next model of `fallback` or after a short wait.
import type { JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Terminal } from "../core/upstream/assembly.ts";
import type { Deps } from "../deps.ts";
import { type EventBatch, EventReader } from "./upstream-events.ts";

/** In seconds. A refusal that asks for a longer wait is returned to the caller. */
const MAX_WAIT_S = 5;
/** The largest event of a stream for a restricted caller (docs/contract.md §8). */
const RESTRICTED_EVENT_BYTES = 1_048_576;
/** How long upstream may take to close a stream after the terminal event. */
const DRAIN_MS = 2_000;

/** A batch of upstream's events. Only the last batch has `terminal`. */
interface EventsAndEnd {
  events: EventBatch;
  terminal?: Terminal;
}

/** A call that upstream has begun to answer. `model` is the entry of `models` that answers. */
export type OpenedCall =
  | { kind: "whole"; model: string; response: JsonObject }
  | {
      kind: "stream";
      model: string;
      /** The response object in the first events, if they have one. */
      firstResponse: JsonObject | undefined;
      /** Buffers events until one has a response object, which it returns; undefined if the stream has none. @throws Problem */
      peek: () => Promise<JsonObject | undefined>;
      /**
       * Returns at least one event, unless an error event ends the stream. The last batch has the terminal event.
       * @throws Problem, also if the stream ends without a terminal event
       */
      next: () => Promise<EventsAndEnd>;
      /** Call this after the terminal event. Waits until upstream closes the stream, so that upstream does not see a disconnected client. */
      drain: () => Promise<void>;
      cancel: () => void;
    };

export interface UpstreamCall {
  /** The upstream body without `stream`; `model` is replaced by one of `models`. */
  body: JsonObject;
  /** Tried in this order, as long as upstream refuses the call unpaid because it has no such model. */
  models: readonly string[];
  stream: boolean;
  /** Whether to wait and call again, once, if upstream is busy and asks for a wait of at most 5 s. */
  retryIfBusy: boolean;
  /** Whether the caller is restricted, which limits each event to 1 MiB. */
  isRestricted: boolean;
  /** The signal of the request that waits for the answer; undefined if no request waits. */
  signal: AbortSignal | undefined;
}

/**
 * Opens a call, and if necessary repeats it with another model or after a wait.
 * @throws Problem of upstream; `details.paid` says whether the call may have been paid
 */
export async function openWithFallback(
  deps: Deps,
  { body, models, stream, retryIfBusy, isRestricted, signal }: UpstreamCall,
): Promise<OpenedCall> {
  let hasWaited = false;
  for (let at = 0; ;) {
    try {
      return await open(deps, { ...body, model: models[at] ?? "" }, stream, isRestricted, signal);
    } catch (error) {
      if (!(error instanceof Problem) || error.details.paid !== "unpaid" || signal?.aborted === true) throw error;
      const waitS = error.details.upstreamRetryAfter;
      if (error.details.noSuchModel === true && at + 1 < models.length) at += 1;
      else if (retryIfBusy && !hasWaited && isBusy(error) && waitS !== undefined && waitS <= MAX_WAIT_S) {
        hasWaited = true;
        await deps.sleep(waitS * 1_000);
      } else throw error;
    }
  }
}

function isBusy(problem: Problem): boolean {
  return problem.code === "upstream_rate_limited" || problem.code === "upstream_unavailable";
}

/** Reads the complete response, for a caller that does not stream. @throws Problem */
export async function readCompleteResponse(
  deps: Deps,
  call: OpenedCall,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<JsonObject> {
  if (call.kind === "whole") return call.response;
  for (;;) {
    const { terminal } = await call.next();
    if (terminal === undefined) continue;
    waitUntil(call.drain());
    return await readTerminal(deps, terminal);
  }
}

async function open(
  deps: Deps,
  body: JsonObject & { model: string },
  stream: boolean,
  isRestricted: boolean,
  signal: AbortSignal | undefined,
): Promise<OpenedCall> {
  const { model } = body;
  const reply = await deps.upstream.create(body, stream, signal, isRestricted ? RESTRICTED_EVENT_BYTES : undefined);
  if (reply.kind === "response") return { kind: "whole", model, response: reply.response };
  const reader = new EventReader(reply.stream);
  const first = await reader.next();
  if (first.terminal?.kind === "error" && first.events.length === 0) {
    reply.stream.cancel();
    throw deps.upstream.problemFromBody(first.terminal.body);
  }
  const buffered: EventsAndEnd[] = [first];
  const responseIn = ({ terminal }: EventsAndEnd): JsonObject | undefined =>
    terminal?.kind === "response" ? terminal.response : reader.firstResponse;
  return {
    kind: "stream",
    model,
    firstResponse: responseIn(first),
    async peek() {
      for (let batch = first; ;) {
        const response = responseIn(batch);
        if (response !== undefined || batch.terminal !== undefined) return response;
        batch = await reader.next();
        buffered.push(batch);
      }
    },
    next() {
      const batch = buffered.shift();
      return batch === undefined ? reader.next() : Promise.resolve(batch);
    },
    async drain() {
      const timer = setTimeout(() => reply.stream.cancel(), DRAIN_MS);
      try {
        while ((await reply.stream.next()) !== null);
      } catch {
        // The answer is complete, so a failure of its connection does not matter.
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: reply.stream.cancel,
  };
}

/**
 * Returns the response object at the end of a stream.
 * @throws Problem for an error event; the call is maybe paid if there was output before that event
 */
export async function readTerminal(deps: Deps, terminal: Terminal): Promise<JsonObject> {
  if (terminal.kind === "response") return terminal.response;
  const problem = deps.upstream.problemFromBody(terminal.body);
  throw terminal.hasOutput
    ? new Problem(problem.code, problem.message, { ...problem.details, paid: "maybe" })
    : problem;
}
