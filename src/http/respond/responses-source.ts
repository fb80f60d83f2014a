// The streams of /v1/responses: upstream's complete events with our id and our sequence numbers. A text delta is forwarded byte for byte,
// except for a sequence number that differs from ours. A stream that fails says why in an `error` event and in `response.failed`, and then
// breaks its connection, because a clean end would look like the end of an answer.
import type { StreamedAnswer, WholeAnswer } from "../../answer/answer.ts";
import type { FinishedAnswer } from "../../answer/pending-turn.ts";
import { concatBytes } from "../../core/lib/bytes.ts";
import { isRecord, type JsonObject } from "../../core/lib/json.ts";
import { openAiErrorBody } from "../../core/lib/openai-error.ts";
import { Problem, toProblem } from "../../core/lib/problem.ts";
import { completeResponse, withoutTools } from "../../core/reply/response-object.ts";
import type { EventBatch, UpstreamEvent } from "../../core/upstream/event.ts";
import { eventsOfResponse } from "../../core/upstream/stream-repair.ts";
import { withSequenceNumber } from "../../core/upstream/text-delta.ts";
import type { Source } from "./stream-body.ts";

export interface ResponsesStreamContext {
  requestId: string;
  /** The request fields that response objects echo. */
  request: JsonObject;
  restricted: boolean;
  /** When the stream began, in Unix seconds. */
  now: number;
  /** Called once, when the stream ends. Without a problem, the stream ended with the complete response. */
  onEnd: (problem?: Problem) => void;
}

/** The answer's ids. */
interface Ids {
  id: string;
  previousId: string | null;
}

const DONE = "data: [DONE]\n\n";

export class ResponsesSource implements Source {
  readonly #reply: Promise<WholeAnswer | StreamedAnswer>;
  #settledReply: WholeAnswer | StreamedAnswer | undefined;
  readonly #context: ResponsesStreamContext;
  readonly #encoder = new TextEncoder();
  /** The next sequence number. */
  #number = 0;
  #hasEnded = false;
  #failure: Problem | undefined;

  constructor(
    reply: WholeAnswer | StreamedAnswer | Promise<WholeAnswer | StreamedAnswer>,
    context: ResponsesStreamContext,
  ) {
    this.#reply = Promise.resolve(reply);
    // The reply may fail before `next` is called. `next` handles the rejection.
    this.#reply.catch(() => undefined);
    this.#context = context;
  }

  async next(): Promise<Uint8Array | string | null> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#hasEnded) return null;
    try {
      const reply = (this.#settledReply ??= await this.#reply);
      if (reply.kind === "whole") {
        const { finished } = reply;
        const pieces = this.#format(eventsOfResponse(finished.response), idsOf(finished), finished);
        this.#end();
        return concat(this.#encoder, [...pieces, DONE]);
      }
      const { events, finished } = await reply.next();
      const pieces = this.#format(events, reply, finished);
      if (finished === undefined) return concat(this.#encoder, pieces);
      this.#end();
      return concat(this.#encoder, [...pieces, DONE]);
    } catch (error) {
      const problem = toProblem(error);
      this.#end(problem);
      this.#failure = problem;
      return this.#failureEvents(problem);
    }
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#reply.then((reply) => reply.kind === "stream" && reply.cancel()).catch(() => undefined);
    this.#end(new Problem("upstream_error", "The caller disconnected.", { reason: "client_left" }));
  }

  #format(events: EventBatch, ids: Ids, finished: FinishedAnswer | undefined): (Uint8Array | string)[] {
    return events.map((event, at) => this.#formatEvent(event, ids, at === events.length - 1 ? finished : undefined));
  }

  /** @param finished set for the terminal event */
  #formatEvent(event: UpstreamEvent, ids: Ids, finished: FinishedAnswer | undefined): Uint8Array | string {
    const number = this.#number++;
    const { delta, frame } = event;
    // Reading the `data` of a text delta would parse its frame.
    if (delta !== undefined && frame !== undefined)
      return delta.sequenceNumber === number ? frame : withSequenceNumber(frame, delta, number);
    const data = this.#translate(event, ids, finished);
    return frame !== undefined && data === event.data && data["sequence_number"] === number
      ? frame
      : formatData({ ...data, type: event.type, sequence_number: number });
  }

  /** Replaces the response in an event, and hides what a restricted caller must not see. @returns the same data if nothing changes */
  #translate({ data }: UpstreamEvent, ids: Ids, finished: FinishedAnswer | undefined): JsonObject {
    const { response, item } = data;
    if (isRecord(response)) {
      const object = finished === undefined ? this.#complete(response, ids) : responseObjectOf(finished, this.#context);
      return { ...data, response: object };
    }
    if (!this.#context.restricted || !isRecord(item)) return data;
    const visible = withoutTools(item);
    return visible === item ? data : { ...data, item: visible };
  }

  #complete(response: JsonObject, { id, previousId }: Ids): JsonObject {
    const { request, restricted, now } = this.#context;
    return completeResponse(response, { id, previousId, request, restricted, now });
  }

  #end(problem?: Problem): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#context.onEnd(problem);
  }

  /**
   * The error's fields are at the top level of the `error` event, as OpenAI documents, and also in `error`, where some SDKs read them.
   * Agents that ignore this event show the error in `response.failed`.
   */
  #failureEvents(problem: Problem): string {
    const { requestId } = this.#context;
    const { error } = openAiErrorBody(problem, requestId);
    const { code, message, param } = error;
    const reply = this.#settledReply;
    const ids = reply?.kind === "stream" ? reply : { id: `resp_${requestId}`, previousId: null };
    const response = this.#complete(
      { ...(reply?.kind === "stream" ? reply.failedResponse() : {}), status: "failed" },
      ids,
    );
    response["error"] = { code, message };
    return (
      formatData({ type: "error", sequence_number: this.#number++, code, message, param, error }) +
      formatData({ type: "response.failed", sequence_number: this.#number++, response })
    );
  }
}

function idsOf({ context: { id, previousId } }: FinishedAnswer): Ids {
  return { id, previousId };
}

/**
 * Converts a stored response into the text of its event stream.
 * @param response a result of completeResponse
 * @param after the number of the last event that the caller has; -1 for the whole stream
 */
export function eventStreamText(response: JsonObject, after = -1): string {
  const events = eventsOfResponse(response);
  // The stream that the caller read before may have had more events, with the text in more pieces. So the last event is always sent.
  const rest = events.slice(Math.min(after + 1, events.length - 1));
  const texts = rest.map(({ data }, at) => {
    const isTerminal = at === rest.length - 1;
    return formatData({ ...data, ...(isTerminal ? { response } : {}), sequence_number: after + 1 + at });
  });
  return texts.join("") + DONE;
}

/** Creates the response object of a finished answer, with our ids and the request's fields. */
export function responseObjectOf(
  { response, context }: FinishedAnswer,
  { request, restricted }: Pick<ResponsesStreamContext, "request" | "restricted">,
): JsonObject {
  const { id, previousId, now } = context;
  return completeResponse(response, { id, previousId, request, restricted, now });
}

function formatData(data: JsonObject): string {
  return `event: ${String(data["type"])}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Joins the pieces of a batch for a single write. Frames that are adjacent in the same buffer are not copied. */
function concat(encoder: TextEncoder, pieces: readonly (Uint8Array | string)[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const piece of pieces) {
    const part = typeof piece === "string" ? encoder.encode(piece) : piece;
    const before = parts.at(-1);
    if (before?.buffer === part.buffer && before.byteOffset + before.length === part.byteOffset) {
      parts[parts.length - 1] = new Uint8Array(part.buffer, before.byteOffset, before.length + part.length);
    } else parts.push(part);
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : concatBytes(parts);
}
