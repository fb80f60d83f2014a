// Opens a call to upstream: waits until the model begins to answer, or for a complete response. Nothing is sent to the caller before that,
// so an unpaid refusal may lead to another attempt, either with the next model of `fallback` or after a short wait.
import type { JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import type { EventBatch } from "../core/upstream/event.ts";
import { repairResponse, type RepairOptions, type Terminal } from "../core/upstream/stream-repair.ts";
import { paidAfterOutput } from "../core/upstream/upstream-body.ts";
import type { Deps } from "../deps.ts";
import type { LogFields } from "../platform/log.ts";
import { EventReader } from "./upstream-events.ts";

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
      /** The fields of the response that the first events have, such as its id; undefined if they have none. */
      firstResponse: JsonObject | undefined;
      /** Returns the fields of the response, and buffers all events that it has to read first. @throws Problem */
      peek: () => Promise<JsonObject | undefined>;
      /**
       * Returns at least one event, unless an error ends the stream. The last batch has the terminal event.
       * @throws Problem, also if the stream ends without a terminal event
       */
      next: () => Promise<EventsAndEnd>;
      /** Call this after the terminal event. Waits until upstream closes the stream, so that upstream sees no disconnected client. */
      drain: () => Promise<void>;
      /** Returns the response of a stream that failed, with the items so far. */
      failedResponse: () => JsonObject;
      cancel: () => void;
    };

export interface UpstreamCall {
  /** The upstream body without `stream`; `model` is replaced with one of `models`. */
  body: JsonObject;
  /** Tried in this order, as long as upstream refuses the call unpaid because it has no such model. */
  models: readonly string[];
  stream: boolean;
  /** Which deltas the caller receives while they arrive. */
  live: RepairOptions["live"];
  /** Whether to wait and call again, once, if upstream is busy and asks for a wait of at most 5 s. */
  retryIfBusy: boolean;
  /** Whether the caller is restricted, which limits each event to 1 MiB. */
  isRestricted: boolean;
  /** The signal of the request that waits for the answer; undefined if no request waits. */
  signal: AbortSignal | undefined;
  logFields: LogFields;
}

/**
 * Opens a call, and if necessary repeats it with another model, after a wait or with another body.
 * @param repair returns the body to use instead after an unpaid refusal; undefined if the refusal can't be avoided so
 * @throws Problem for upstream's error; `details.paid` tells whether the call may have been paid
 */
export async function openWithFallback(
  deps: Deps,
  { body: firstBody, models, retryIfBusy, ...call }: UpstreamCall,
  repair: (refusal: Problem) => JsonObject | undefined = () => undefined,
): Promise<OpenedCall> {
  let body = firstBody;
  let hasWaited = false;
  for (let at = 0; ;) {
    try {
      return await open(deps, { ...body, model: models[at] ?? "" }, call);
    } catch (error) {
      if (!(error instanceof Problem) || error.details.paid !== "unpaid" || call.signal?.aborted === true) throw error;
      const waitS = error.details.upstreamRetryAfter;
      if (error.details.noSuchModel === true && at + 1 < models.length) at += 1;
      else if (retryIfBusy && !hasWaited && isBusy(error) && waitS !== undefined && waitS <= MAX_WAIT_S) {
        hasWaited = true;
        await deps.sleep(waitS * 1_000);
      } else {
        const repaired = repair(error);
        if (repaired === undefined) throw error;
        body = repaired;
      }
      countRepeatedCall(call.logFields);
    }
  }
}

/** Counts one more call of a request, for its log line. */
export function countRepeatedCall(logFields: LogFields): void {
  logFields.upstream_calls = (logFields.upstream_calls ?? 1) + 1;
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
    return readTerminal(deps, terminal);
  }
}

async function open(
  deps: Deps,
  body: JsonObject & { model: string },
  { stream, live, isRestricted, signal }: Omit<UpstreamCall, "body" | "models" | "retryIfBusy">,
): Promise<OpenedCall> {
  const { model } = body;
  const now = Math.floor(deps.now() / 1_000);
  const options = { random: deps.random, now };
  const reply = await deps.upstream.create(body, stream, signal, isRestricted ? RESTRICTED_EVENT_BYTES : undefined);
  if (reply.kind === "response")
    return {
      kind: "whole",
      model,
      response: readTerminal(deps, repairResponse(reply.response, options), body),
    };
  const reader = new EventReader(reply.stream, { ...options, live });
  const buffered: EventsAndEnd[] = [];
  // The first events only announce the response. A backend may refuse the request after them.
  let batch = await reader.next();
  buffered.push(batch);
  while (!reader.hasOutput && batch.terminal === undefined) {
    batch = await reader.next();
    buffered.push(batch);
  }
  if (batch.terminal?.kind === "error" && !batch.terminal.hasOutput) {
    reply.stream.cancel();
    throw deps.upstream.problemFromBody(batch.terminal.body, body);
  }
  const last = batch;
  const responseIn = ({ terminal }: EventsAndEnd): JsonObject | undefined =>
    terminal?.kind === "response" ? terminal.response : reader.response;
  return {
    kind: "stream",
    model,
    firstResponse: responseIn(last),
    failedResponse: () => reader.failedResponse(),
    async peek() {
      for (let batch = last; ;) {
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
 * @param request the body of the request, if the caller has received nothing
 * @throws Problem for an error; the call is maybe paid if there was output before that error
 */
export function readTerminal(deps: Deps, terminal: Terminal, request?: JsonObject): JsonObject {
  if (terminal.kind === "response") return terminal.response;
  throw paidAfterOutput(deps.upstream.problemFromBody(terminal.body, request), terminal.hasOutput);
}
