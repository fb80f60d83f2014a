// POST /ask as a stream: numbered server-sent events, or text alone. A stream ends when the answer is complete, when it fails, or when the
// caller disconnects. It then calls `onEnd` exactly once, with a problem unless the answer is complete.
import type { AskReply, StreamedAskReply } from "../../answer/ask-reply.ts";
import type { AskEvent } from "../../contract/answer.ts";
import { Problem, toProblem } from "../../core/lib/problem.ts";
import { formatEvent } from "../../core/lib/sse.ts";
import { plainText } from "../../core/reply/trim-stream.ts";
import type { Source } from "./stream-body.ts";

/** Called once, when the stream ends. Without a problem, the stream ended with the complete answer. */
type OnEnd = (problem?: Problem) => void;

export interface AskStreamContext {
  /** The first part of every event's id: the run's id, or a random string if there is no run. */
  run: string;
  /** The number of the last event that the caller received, or -1. Events up to it are not sent again, except `done` and `error`. */
  after: number;
  requestId: string;
  onEnd: OnEnd;
}

/** A text/event-stream. Each event has the id `<run>-<n>`, its type, and one line of data. `n` counts the events of the reply from 0. */
export class AskSource implements Source {
  readonly #reply: Promise<AskReply>;
  #settledReply: AskReply | undefined;
  readonly #context: AskStreamContext;
  /** The number of the next event. */
  #n = 0;
  #hasEnded = false;
  #disconnected = false;

  constructor(reply: AskReply | Promise<AskReply>, context: AskStreamContext) {
    this.#reply = Promise.resolve(reply);
    // The reply may fail before `next` is called. `next` handles the rejection.
    this.#reply.catch(() => undefined);
    this.#context = context;
  }

  async next(): Promise<string | null> {
    if (this.#hasEnded) return null;
    try {
      const reply = (this.#settledReply ??= await this.#reply);
      if (reply.kind === "whole") {
        const text = this.#format(reply.events());
        this.#end();
        return text;
      }
      for (;;) {
        const { events, end } = await reply.next();
        if (end !== undefined) this.#end();
        const text = this.#format(events);
        if (text !== "" || this.#hasEnded) return text;
      }
    } catch (error) {
      const problem = toProblem(error);
      this.#end(problem);
      // A recording does not contain this error. So the event repeats the previous number, and the caller can resume after the last event.
      if (problem.code === "unavailable") this.#n = Math.max(this.#n - 1, this.#context.after);
      return this.#format([{ event: "error", data: problem.body(this.#context.requestId) }]);
    }
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#disconnected = true;
    this.#reply.then((reply) => reply.kind === "stream" && reply.cancel()).catch(() => undefined);
    this.#end(callerDisconnected());
  }

  #end(problem?: Problem): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#context.onEnd(problem);
  }

  #format(events: readonly AskEvent[]): string {
    if (this.#disconnected) return "";
    let text = "";
    for (const { event, data } of events) {
      const n = this.#n++;
      if (n <= this.#context.after && event !== "done" && event !== "error") continue;
      text += formatEvent(n < 0 ? undefined : `${this.#context.run}-${n}`, event, JSON.stringify(data));
    }
    return text;
  }
}

/** A text/plain stream. A failure breaks the connection, because nothing in plain text can say that the text is incomplete. */
export class TextSource implements Source {
  readonly #reply: StreamedAskReply;
  readonly #onEnd: OnEnd;
  #hasEnded = false;
  #first: Promise<string | null> | undefined;

  constructor(reply: StreamedAskReply, onEnd: OnEnd) {
    this.#reply = reply;
    this.#onEnd = onEnd;
  }

  /** Reads the first text ahead; `next` returns it later. If this read fails, the route can still respond with an error status. */
  readFirst(): Promise<string | null> {
    this.#first = this.#read();
    this.#first.catch(() => undefined);
    return this.#first;
  }

  async next(): Promise<string | null> {
    const text = this.#first ?? this.#read();
    this.#first = undefined;
    try {
      return await text;
    } catch (error) {
      this.#end(toProblem(error));
      throw error;
    }
  }

  async #read(): Promise<string | null> {
    while (!this.#hasEnded) {
      const { events, end } = await this.#reply.next();
      if (end !== undefined) this.#end();
      const text = events.map(plainText).join("");
      if (text !== "") return text;
    }
    return null;
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#reply.cancel();
    this.#end(callerDisconnected());
  }

  #end(problem?: Problem): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd(problem);
  }
}

function callerDisconnected(): Problem {
  return new Problem("upstream_error", "The caller disconnected.", { reason: "client_left" });
}
