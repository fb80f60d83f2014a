// The streams of /v1/responses: upstream's events under our ids. Complete events without a response object are sent byte for byte, as whole
// frames. A stream that fails ends with an `error` event, and then breaks its connection.
import type { StreamedAnswer, WholeAnswer } from "../../answer/answer.ts";
import type { UpstreamEvent } from "../../answer/upstream-events.ts";
import type { FinishedAnswer } from "../../answer/pending-turn.ts";
import { concatBytes } from "../../core/lib/bytes.ts";
import { isRecord, type JsonObject } from "../../core/lib/json.ts";
import { Problem, toProblem } from "../../core/lib/problem.ts";
import { eventsOfResponse } from "../../core/reply/response-events.ts";
import { completeResponse, completeEvent } from "../../core/reply/response-object.ts";
import type { Source } from "./stream-body.ts";

export interface ResponsesStreamContext {
  requestId: string;
  /** The request fields that response objects echo. */
  request: JsonObject;
  restricted: boolean;
  /** Unix seconds. */
  now: number;
  /** Called once, when the stream ends. Without a problem, the stream ended with the complete response. */
  onEnd: (problem?: Problem) => void;
}

const DONE = "data: [DONE]\n\n";

/** The types of events that end a response. */
const TERMINAL = /\.(?:completed|incomplete|failed|cancelled)$/;

export class ResponsesSource implements Source {
  readonly #reply: Promise<WholeAnswer | StreamedAnswer>;
  #settledReply: WholeAnswer | StreamedAnswer | undefined;
  readonly #context: ResponsesStreamContext;
  readonly #encoder = new TextEncoder();
  #hasBegun = false;
  /** The next sequence number, if upstream's first event had none and we number the events; otherwise undefined. */
  #ownCount: number | undefined;
  /** The sequence number of the last event. */
  #lastNumber = -1;
  /** How many output items have begun. */
  #items = 0;
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
        this.#end();
        return eventStreamText(responseObjectOf(reply.finished, this.#context));
      }
      const { events, finished } = await reply.next();
      const pieces: (Uint8Array | string)[] = [];
      for (const event of events)
        pieces.push(this.#passesUnchanged(event) ? event.frame : await this.#translate(reply, event, finished));
      if (finished === undefined) return concat(this.#encoder, pieces);
      this.#end();
      pieces.push(DONE);
      return concat(this.#encoder, pieces);
    } catch (error) {
      const problem = toProblem(error);
      this.#end(problem);
      this.#failure = problem;
      return this.#errorEvent(problem);
    }
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#reply.then((reply) => reply.kind === "stream" && reply.cancel()).catch(() => undefined);
    this.#end(new Problem("upstream_error", "The caller disconnected.", { reason: "client_left" }));
  }

  /** Whether an event is forwarded without parsing its data: a text delta after the first event, unless we number the events. */
  #passesUnchanged({ delta }: UpstreamEvent): boolean {
    if (delta === undefined || !this.#hasBegun || this.#ownCount !== undefined) return false;
    this.#lastNumber = delta.sequenceNumber ?? this.#lastNumber;
    return true;
  }

  async #translate(
    reply: StreamedAnswer,
    event: UpstreamEvent,
    finished: FinishedAnswer | undefined,
  ): Promise<Uint8Array | string> {
    const responseId = event.data["response_id"];
    // Some relays put the response's id into every event.
    const data =
      typeof responseId === "string" && responseId !== ""
        ? { ...event.data, response_id: await reply.idFor(responseId) }
        : event.data;
    const complete = this.#withNumber(completeEvent(event.type, data, this.#items, this.#context.restricted));
    if (event.type === "response.output_item.added") this.#items += 1;
    const { response } = data;
    if (!isRecord(response))
      return complete === event.data ? event.frame : formatData({ ...complete, type: event.type });
    const isTerminal = finished !== undefined && TERMINAL.test(event.type);
    const object = isTerminal
      ? responseObjectOf(finished, this.#context)
      : await this.#completeUnfinished(reply, response);
    return formatData({ ...complete, type: event.type, response: object });
  }

  #withNumber(data: JsonObject): JsonObject {
    const number = data["sequence_number"];
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      if (typeof number !== "number") this.#ownCount = 0;
    }
    if (this.#ownCount === undefined) {
      if (typeof number === "number") this.#lastNumber = number;
      return data;
    }
    this.#lastNumber = this.#ownCount++;
    return { ...data, sequence_number: this.#lastNumber };
  }

  async #completeUnfinished(reply: StreamedAnswer, response: JsonObject): Promise<JsonObject> {
    const { request, restricted, now } = this.#context;
    const id = await reply.idFor(response["id"]);
    return completeResponse(
      { status: "in_progress", ...response },
      { id, previousId: reply.previousId, request, restricted, now },
    );
  }

  #end(problem?: Problem): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#context.onEnd(problem);
  }

  /** The error's fields are at the top level, as OpenAI documents, and also in `error`, where some SDKs read them. */
  #errorEvent(problem: Problem): string {
    const { error } = problem.body(this.#context.requestId);
    const { code, message, param } = error;
    return formatData({ type: "error", sequence_number: this.#lastNumber + 1, code, message, param, error });
  }
}

/** Converts a complete response into the text of its event stream. */
export function eventStreamText(response: JsonObject): string {
  return eventsOfResponse(response).map(formatData).join("") + DONE;
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
