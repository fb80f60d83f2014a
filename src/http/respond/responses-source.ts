// What a running answer says on /v1/responses: upstream's own events under our ids. Events that carry no response object leave byte
// for byte, as whole frames; a stream that breaks says so in an `error` event and then breaks its own connection.
import type { StreamedAnswer, WholeAnswer } from "../../answer/answer.ts";
import type { FinishedAnswer } from "../../answer/pending-turn.ts";
import type { UpstreamEvent } from "../../answer/events.ts";
import { completeEvent } from "../../core/reply/complete-event.ts";
import { isRecord, type JsonObject } from "../../core/lib/json.ts";
import { asProblem, Problem } from "../../core/lib/problem.ts";
import { replayEvents } from "../../core/reply/replay-events.ts";
import { completeResponse } from "../../core/reply/response-object.ts";
import type { Source } from "./live-stream.ts";

export interface ResponsesStreamContext {
  requestId: string;
  /** The composed request; of a locked caller, its own part of it. */
  asked: JsonObject;
  locked: boolean;
  /** Unix seconds. */
  now: number;
  /** Told once how the stream ended; without a problem it ended well. */
  ended: (problem?: Problem) => void;
}

const DONE = "data: [DONE]\n\n";

export class ResponsesSource implements Source {
  readonly #answered: Promise<WholeAnswer | StreamedAnswer>;
  #got: WholeAnswer | StreamedAnswer | undefined;
  readonly #facts: ResponsesStreamContext;
  readonly #encoder = new TextEncoder();
  /** The next number, where upstream's first event had none and we count; undefined: upstream counts. */
  #count: number | undefined;
  #begun = false;
  /** Output items that have begun. */
  #items = 0;
  #last = -1;
  #over = false;
  #broken: Problem | undefined;

  constructor(
    answered: WholeAnswer | StreamedAnswer | Promise<WholeAnswer | StreamedAnswer>,
    logFields: ResponsesStreamContext,
  ) {
    this.#answered = Promise.resolve(answered);
    // Nobody may be listening yet when it fails; `next` will be.
    this.#answered.catch(() => undefined);
    this.#facts = logFields;
  }

  async next(): Promise<Uint8Array | string | null> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#over) return null;
    try {
      const got = (this.#got ??= await this.#answered);
      if (got.kind === "whole") {
        this.#end();
        return replayText(completeFinished(got.finished, this.#facts));
      }
      const { events, finished } = await got.next();
      const pieces: (Uint8Array | string)[] = [];
      for (const event of events)
        pieces.push(this.#passes(event) ? event.frame : await this.#translate(got, event, finished));
      if (finished === undefined) return join(this.#encoder, pieces);
      this.#end();
      pieces.push(DONE);
      return join(this.#encoder, pieces);
    } catch (error) {
      const problem = asProblem(error);
      this.#end(problem);
      this.#broken = problem;
      return this.#errorEvent(problem);
    }
  }

  cancel(): void {
    if (this.#over) return;
    this.#answered.then((got) => got.kind === "stream" && got.cancel()).catch(() => undefined);
    this.#end(new Problem("upstream_error", "The caller left.", { reason: "client_left" }));
  }

  /** Nothing in it is ours to change, unless we number the stream. */
  #passes({ delta }: UpstreamEvent): boolean {
    if (delta === undefined || !this.#begun || this.#count !== undefined) return false;
    this.#last = delta.sequenceNumber ?? this.#last;
    return true;
  }

  async #translate(
    got: StreamedAnswer,
    event: UpstreamEvent,
    finished: FinishedAnswer | undefined,
  ): Promise<Uint8Array | string> {
    const shown = event.data["response_id"];
    // Some relays name the response in every event.
    const data =
      typeof shown === "string" && shown !== "" ? { ...event.data, response_id: await got.idFor(shown) } : event.data;
    const number = data["sequence_number"];
    if (!this.#begun) {
      this.#begun = true;
      if (typeof number !== "number") this.#count = 0;
    }
    const complete = completeEvent(event.type, data, this.#items, this.#facts.locked);
    if (event.type === "response.output_item.added") this.#items += 1;
    const counted = this.#count === undefined ? complete : { ...complete, sequence_number: this.#count++ };
    this.#last = this.#count === undefined ? (typeof number === "number" ? number : this.#last) : this.#count - 1;
    const { response } = data;
    if (!isRecord(response)) return counted === event.data ? event.frame : formatData({ ...counted, type: event.type });
    const isTerminal = finished !== undefined && /\.(?:completed|incomplete|failed|cancelled)$/.test(event.type);
    const whole = isTerminal ? completeFinished(finished, this.#facts) : await this.#early(got, response);
    return formatData({ ...counted, type: event.type, response: whole });
  }

  async #early(got: StreamedAnswer, response: JsonObject): Promise<JsonObject> {
    const { asked, locked, now } = this.#facts;
    return completeResponse(
      { status: "in_progress", ...response },
      { id: await got.idFor(response["id"]), previousId: got.previousId, request: asked, restricted: locked, now },
    );
  }

  #end(problem?: Problem): void {
    if (this.#over) return;
    this.#over = true;
    this.#facts.ended(problem);
  }

  /** Flat as the documents have it, nested as some SDKs read it. */
  #errorEvent(problem: Problem): string {
    const { error } = problem.body(this.#facts.requestId);
    const { code, message, param } = error;
    return formatData({ type: "error", sequence_number: this.#last + 1, code, message, param, error });
  }
}

/** A whole response as the text of its event stream. */
export function replayText(response: JsonObject): string {
  return replayEvents(response).map(formatData).join("") + DONE;
}

export function completeFinished(
  { response, context: logFields }: FinishedAnswer,
  { asked, locked }: Pick<ResponsesStreamContext, "asked" | "locked">,
): JsonObject {
  return completeResponse(response, {
    id: logFields.id,
    previousId: logFields.previousId,
    request: asked,
    restricted: locked,
    now: logFields.now,
  });
}

function formatData(data: JsonObject): string {
  return `event: ${String(data["type"])}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** One write per batch; frames that came in one piece leave in one, uncopied. */
function join(encoder: TextEncoder, pieces: readonly (Uint8Array | string)[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const piece of pieces) {
    const part = typeof piece === "string" ? encoder.encode(piece) : piece;
    const before = parts.at(-1);
    if (before?.buffer === part.buffer && before.byteOffset + before.length === part.byteOffset) {
      parts[parts.length - 1] = new Uint8Array(part.buffer, before.byteOffset, before.length + part.length);
    } else parts.push(part);
  }
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
