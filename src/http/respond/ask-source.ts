// What a running answer says on /ask, as event stream and as bare text. Each ends exactly once: with `done`, with `error`, or because
// the caller has left; the log hears of it.
import type { Answer, AskEvent } from "../../contract/answer.ts";
import type { StreamedAnswer, WholeAnswer } from "../../answer/answer.ts";
import type { FinishedAnswer } from "../../answer/pending-turn.ts";
import type { UpstreamEvent } from "../../answer/events.ts";
import { asProblem, Problem } from "../../core/lib/problem.ts";
import { formatEvent } from "../../core/lib/sse.ts";
import { textOfDelta } from "../../core/upstream/text-delta.ts";
import { assertNotFailed, trim } from "../../core/reply/trim.ts";
import { plainText, replay, TrimStream } from "../../core/reply/trim-stream.ts";
import type { Source } from "./live-stream.ts";

/** Told once how a stream ended; without a problem it ended well. */
type Ended = (problem?: Problem) => void;

export interface AskStreamContext {
  /** The part of every event's id that names this stream. */
  run: string;
  /** The number of the last event that the caller has; -1: none. Only the end is ever said again. */
  after: number;
  requestId: string;
  /** The model that was asked for, until upstream names its own. */
  model: string;
  ended: Ended;
}

/** text/event-stream: `id: <run>-<n>`, event, one line of data. */
export class AskSource implements Source {
  readonly #answered: Promise<WholeAnswer | StreamedAnswer>;
  #got: WholeAnswer | StreamedAnswer | undefined;
  readonly #facts: AskStreamContext;
  readonly #trim: TrimStream;
  #n = 0;
  #over = false;
  #left = false;

  constructor(
    answered: WholeAnswer | StreamedAnswer | Promise<WholeAnswer | StreamedAnswer>,
    logFields: AskStreamContext,
  ) {
    this.#answered = Promise.resolve(answered);
    // Nobody may be listening yet when it fails; `next` will be.
    this.#answered.catch(() => undefined);
    this.#facts = logFields;
    this.#trim = new TrimStream(logFields.requestId, logFields.model);
  }

  async next(): Promise<string | null> {
    if (this.#over) return null;
    try {
      const got = (this.#got ??= await this.#answered);
      if (got.kind === "whole") {
        const answer = trimFinished(got.finished);
        this.#end();
        return this.#format(replay(answer, this.#facts.requestId));
      }
      for (;;) {
        const { events, finished } = await got.next();
        const out = events.flatMap((event) => said(this.#trim, event));
        if (finished !== undefined) {
          out.push(...this.#trim.finish(trimFinished(finished)));
          this.#end();
        }
        const text = this.#format(out);
        if (text !== "" || this.#over) return text;
      }
    } catch (error) {
      const problem = asProblem(error);
      this.#end(problem);
      // A flight out of reach is no part of its recording: it takes no number, so that the caller can go on after what it has.
      if (problem.code === "unavailable") this.#n = Math.max(this.#n - 1, this.#facts.after);
      return this.#format([{ event: "error", data: problem.body(this.#facts.requestId) }]);
    }
  }

  cancel(): void {
    if (this.#over) return;
    this.#left = true;
    this.#answered.then((got) => got.kind === "stream" && got.cancel()).catch(() => undefined);
    this.#end(leftProblem());
  }

  #end(problem?: Problem): void {
    if (this.#over) return;
    this.#over = true;
    this.#facts.ended(problem);
  }

  #format(events: readonly AskEvent[]): string {
    if (this.#left) return "";
    let text = "";
    for (const { event, data } of events) {
      const n = this.#n++;
      if (n <= this.#facts.after && event !== "done" && event !== "error") continue;
      text += formatEvent(n < 0 ? undefined : `${this.#facts.run}-${n}`, event, JSON.stringify(data));
    }
    return text;
  }
}

/** text/plain: the text as it comes. A failure breaks the connection, since text has no other way to say that it is not whole. */
export class TextSource implements Source {
  readonly #streamed: StreamedAnswer;
  readonly #trim = new TrimStream("", "");
  readonly #ended: Ended;
  #over = false;
  #first: Promise<string | null> | undefined;

  constructor(streamed: StreamedAnswer, ended: Ended) {
    this.#streamed = streamed;
    this.#ended = ended;
  }

  /** Reads ahead to the first word, which `next` then gives: a failure before it can still be an answer with a status. */
  first(): Promise<string | null> {
    this.#first = this.#read();
    this.#first.catch(() => undefined);
    return this.#first;
  }

  next(): Promise<string | null> {
    const next = this.#first ?? this.#read();
    this.#first = undefined;
    return next;
  }

  async #read(): Promise<string | null> {
    try {
      while (!this.#over) {
        const { events, finished } = await this.#streamed.next();
        const out = events.flatMap((event) => said(this.#trim, event));
        if (finished !== undefined) {
          out.push(...this.#trim.finish(trimFinished(finished)));
          this.#end();
        }
        const text = out.map(plainText).join("");
        if (text !== "") return text;
      }
      return null;
    } catch (error) {
      this.#end(asProblem(error));
      throw error;
    }
  }

  cancel(): void {
    if (this.#over) return;
    this.#streamed.cancel();
    this.#end(leftProblem());
  }

  #end(problem?: Problem): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended(problem);
  }
}

/** Of a piece of text the data is never asked for: that would parse it. */
function said(trim: TrimStream, event: UpstreamEvent): AskEvent[] {
  const { delta } = event;
  return delta === undefined
    ? trim.push(event.type, event.data)
    : trim.pushText(delta.outputIndex, textOfDelta(event.frame, delta));
}

/** @throws Problem where the response is no answer */
export function trimFinished({ response, context: logFields }: FinishedAnswer): Answer {
  assertNotFailed(response);
  return trim(response, logFields);
}

function leftProblem(): Problem {
  return new Problem("upstream_error", "The caller left.", { reason: "client_left" });
}
