// Turns the lines of a recording into a reply. The reply to POST /ask consists of the recorded events. The reply to /v1/responses consists
// of the values that answer() returns.
import type { AskEvent } from "../../contract/answer.ts";
import { hitHeaders, type CacheEntryAge } from "../../core/cache/cached-answer.ts";
import type { JsonObject } from "../../core/lib/json.ts";
import { streamLost } from "../../core/request/run.ts";
import type { StreamedAnswer, WholeAnswer } from "../answer.ts";
import type { AskEventBatch, AskReply } from "../ask-reply.ts";
import { readFrame } from "../../core/upstream/event.ts";
import type { Playback } from "./playback.ts";

export interface ReplyOptions {
  /** Whether to return a stream. If false, the reply is returned when it is complete. */
  stream: boolean;
  /** The id of the reading request, which replaces the recorded one in the `start` event. */
  requestId: string;
  /** Milliseconds since 1970. */
  now: () => number;
}

/**
 * Reads the reply to POST /ask.
 * @throws Problem the recorded one; stream_lost for a recording of /v1/responses
 */
export async function readAskReply(playback: Playback, { stream, requestId, now }: ReplyOptions): Promise<AskReply> {
  const first = await playback.next();
  if ("wholeEvents" in first) return wholeAskReply(first.wholeEvents, requestId, currentHeaders(first, now));
  if (!("open" in first)) throw streamLost();
  const { id, previousId, headers } = first.open;
  const next = async (): Promise<AskEventBatch> => {
    const line = await playback.next();
    if (!("events" in line)) throw streamLost();
    const events = line.events.map((event) => withRequestId(event, requestId));
    return "stored" in line ? { events, end: { stored: line.stored } } : { events };
  };
  if (stream) return { kind: "stream", id, previousId, headers, next, cancel: () => playback.cancel() };
  for (;;) {
    const { events, end } = await next();
    if (end !== undefined) return wholeAskReply(events, requestId, withStored(headers, end.stored));
  }
}

/** Reads the reply to POST /v1/responses. @throws Problem the recorded one */
export async function readResponsesReply(
  playback: Playback,
  { stream, now }: ReplyOptions,
): Promise<WholeAnswer | StreamedAnswer> {
  const first = await playback.next();
  if ("whole" in first) return { kind: "whole", finished: first.whole, headers: currentHeaders(first, now) };
  if (!("open" in first)) throw new Error("the recording has no opening line");
  const { id, previousId, headers } = first.open;
  const encoder = new TextEncoder();
  const next: StreamedAnswer["next"] = async () => {
    const line = await playback.next();
    if (!("frames" in line)) throw new Error("the recording has no frames");
    const events = line.frames.map((text) => readFrame(encoder.encode(text))).filter((event) => event !== undefined);
    return "finished" in line ? { events, finished: line.finished } : { events };
  };
  if (stream) {
    const failedResponse = (): JsonObject => playback.failedResponse;
    return { kind: "stream", id, previousId, headers, next, failedResponse, cancel: () => playback.cancel() };
  }
  for (;;) {
    const { finished } = await next();
    if (finished !== undefined) return { kind: "whole", finished, headers: withStored(headers, finished.stored) };
  }
}

/** @param events all events of the answer; the last one is `done`, whose data is the answer */
function wholeAskReply(events: readonly AskEvent[], requestId: string, headers: Record<string, string>): AskReply {
  const done = events.at(-1);
  if (done?.event !== "done") throw new Error("the recording does not end with an answer");
  return {
    kind: "whole",
    answer: done.data,
    events: () => events.map((event) => withRequestId(event, requestId)),
    headers,
  };
}

function withRequestId(event: AskEvent, requestId: string): AskEvent {
  return event.event === "start" ? { ...event, data: { ...event.data, request_id: requestId } } : event;
}

/** Completes `Cache-Status`. The headers were recorded at the stream's start, before the answer could be written to the cache. */
function withStored(headers: Record<string, string>, stored: boolean): Record<string, string> {
  const status = headers["cache-status"];
  return stored && status !== undefined ? { ...headers, "cache-status": `${status}; stored` } : headers;
}

/** Returns the recorded headers. A cache hit gets its current age, since a recording may be replayed up to a day later. */
function currentHeaders(
  { headers, cacheEntry }: { headers: Record<string, string>; cacheEntry?: CacheEntryAge | undefined },
  now: () => number,
): Record<string, string> {
  return cacheEntry === undefined ? headers : { ...headers, ...hitHeaders(cacheEntry, Math.floor(now() / 1_000)) };
}
