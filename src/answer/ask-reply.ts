// The reply to POST /ask: the trimmed answer, or the events of its stream. A run records these events, so that a later deployment can't cut
// or count them differently. Knows neither how events are numbered nor how they are serialized.
import type { Answer, AskEvent } from "../contract/answer.ts";
import type { CacheEntryAge } from "../core/cache/cached-answer.ts";
import { assertNotFailed, trim } from "../core/reply/trim.ts";
import { eventsOfAnswer, TrimStream } from "../core/reply/trim-stream.ts";
import type { EventBatch } from "../core/upstream/event.ts";
import { textOfDelta } from "../core/upstream/text-delta.ts";
import type { StreamedAnswer, WholeAnswer } from "./answer.ts";
import type { FinishedAnswer } from "./pending-turn.ts";

export type AskReply = WholeAskReply | StreamedAskReply;

export interface WholeAskReply {
  kind: "whole";
  answer: Answer;
  /** The same answer as the events of a stream. */
  events: () => AskEvent[];
  headers: Record<string, string>;
  /** Set for a cache hit. */
  cacheEntry?: CacheEntryAge | undefined;
}

export interface StreamedAskReply {
  kind: "stream";
  /** The signed id of the pending answer. */
  id: string;
  previousId: string | null;
  headers: Record<string, string>;
  /** Returns the next events; a batch may be empty, and the last one ends with `done`. @throws Problem */
  next: () => Promise<AskEventBatch>;
  /** Call this when the caller disconnects. */
  cancel: () => void;
}

export interface AskEventBatch {
  events: AskEvent[];
  /** Set in the last batch. `stored`: whether the answer was just written to the cache. */
  end?: { stored: boolean };
}

/**
 * Trims a complete answer, or a stream event by event.
 * @param model the requested model, which the `start` event names if upstream has not named one yet
 * @throws Problem upstream_error for a response that failed
 */
export function toAskReply(reply: WholeAnswer | StreamedAnswer, requestId: string, model: string): AskReply {
  if (reply.kind === "whole") {
    const answer = trimFinished(reply.finished);
    const { headers, cacheEntry } = reply;
    return { kind: "whole", answer, events: () => eventsOfAnswer(answer, requestId), headers, cacheEntry };
  }
  const { id, previousId, headers, cancel } = reply;
  const trimmer = new TrimStream(requestId, model);
  return {
    kind: "stream",
    id,
    previousId,
    headers,
    async next() {
      const { events, finished } = await reply.next();
      const askEvents = trimBatch(trimmer, events);
      if (finished === undefined) return { events: askEvents };
      askEvents.push(...trimmer.finish(trimFinished(finished)));
      return { events: askEvents, end: { stored: finished.stored } };
    },
    cancel,
  };
}

/** Trims a finished answer. @throws Problem upstream_error for a response that failed */
export function trimFinished({ response, context }: FinishedAnswer): Answer {
  assertNotFailed(response);
  return trim(response, context);
}

function trimBatch(trimmer: TrimStream, events: EventBatch): AskEvent[] {
  return events.flatMap((event) =>
    // Reading the `data` of a text delta would parse its frame, so it is not read.
    event.delta === undefined || event.frame === undefined
      ? trimmer.push(event.type, event.data)
      : trimmer.pushText(event.delta.outputIndex, textOfDelta(event.frame, event.delta)),
  );
}
