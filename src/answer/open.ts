// Asks upstream until there is something to answer with: the first events of a stream, or a whole response. Before that point
// nothing has left for the caller, so an unpaid refusal may be tried again: on the next model of `fallback`, or after a short wait.
import type { Terminal } from "../core/upstream/assembly.ts";
import type { JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Deps } from "../deps.ts";
import { type EventBatch, EventReader } from "./events.ts";

/** A refusal that asks for more patience than this is the caller's to obey. */
const MAX_WAIT_S = 5;
/** One event of a stream for a locked caller (contract section 8). */
const RESTRICTED_EVENT_BYTES = 1_048_576;
/** How long a stream that has said everything may take to close. */
const DRAIN_MS = 2_000;

/** `model` is the one of `models` that answers. */
export type OpenedCall =
  | { kind: "whole"; model: string; response: JsonObject }
  | {
      kind: "stream";
      model: string;
      /** The response object as the first events showed it, if they did. */
      first: JsonObject | undefined;
      /** Reads ahead, and holds what it reads, until an event shows a response object. @returns undefined: none ever does. @throws Problem */
      peek: () => Promise<JsonObject | undefined>;
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
  restricted: boolean;
  /** Of the request that waits. */
  signal: AbortSignal | undefined;
}

/** @throws Problem */
export async function openWithFallback(
  deps: Deps,
  { body, models, stream, retries, restricted, signal }: UpstreamCall,
): Promise<OpenedCall> {
  let waited = false;
  for (let at = 0; ;) {
    try {
      return await open(deps, { ...body, model: models[at] ?? "" }, stream, restricted, signal);
    } catch (error) {
      if (!(error instanceof Problem) || error.details.paid !== "unpaid" || signal?.aborted === true) throw error;
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
export async function readToEnd(
  deps: Deps,
  opened: OpenedCall,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<JsonObject> {
  if (opened.kind === "whole") return opened.response;
  for (;;) {
    const { terminal } = await opened.next();
    if (terminal === undefined) continue;
    waitUntil(opened.drain());
    return await readTerminal(deps, terminal);
  }
}

async function open(
  deps: Deps,
  body: JsonObject & { model: string },
  stream: boolean,
  restricted: boolean,
  signal: AbortSignal | undefined,
): Promise<OpenedCall> {
  const { model } = body;
  const reply = await deps.upstream.create(body, stream, signal, restricted ? RESTRICTED_EVENT_BYTES : undefined);
  if (reply.kind === "response") return { kind: "whole", model, response: reply.response };
  const events = new EventReader(reply.stream);
  const first = await events.next();
  if (first.terminal?.kind === "error" && first.events.length === 0) {
    reply.stream.cancel();
    throw deps.upstream.fault(first.terminal.body);
  }
  const held = [first];
  const shownIn = (batch: typeof first): JsonObject | undefined =>
    batch.terminal?.kind === "response" ? batch.terminal.response : events.firstResponse;
  return {
    kind: "stream",
    model,
    first: shownIn(first),
    async peek() {
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
