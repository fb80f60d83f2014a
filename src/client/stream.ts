// A question on its way until it is answered, over as many connections as that takes: each goes on after the last whole event of the
// one before (contract section 6), so that what is said joins to the same, byte for byte.
import type { AskEvent as WorkerEvent } from "../core/trim-stream.ts";
import type { Answer } from "../core/trim.ts";
import type { Call, Init, Within } from "./call.ts";
import { createDecoder } from "./decode.ts";
import { AskError, connectionLost } from "./error.ts";
import { pauseAfter, sleep } from "./pause.ts";
import type { ResumeToken } from "./question.ts";

/** What a stream says; its errors are thrown. */
export type AskEvent = Exclude<WorkerEvent, { event: "error" }>;

/** Nothing is sent before the first event is asked for. */
export interface AnswerStream extends AsyncIterable<AskEvent> {
  /** For `resume`, which goes on after the event that was read last: it moves with the stream, so keep it as JSON. */
  readonly resumeToken: ResumeToken;
  /** Reads to the end. */
  answer(): Promise<Answer>;
  next(): Promise<IteratorResult<AskEvent, undefined>>;
  /** Leaves: the connection is closed at once. A `break` in a loop does it, too. */
  return(): Promise<IteratorResult<AskEvent, undefined>>;
}

/** Of a connection that is alive: the Worker says something every five seconds, be it a ping. */
const SILENCE_MS = 30_000;

/**
 * @param from absent: a GET
 * @param streamed false: the answer comes whole, without events
 * @param onAnswer told just before `done` is given out
 */
export function openStream(
  call: Call,
  path: string,
  from?: ResumeToken,
  streamed?: boolean,
  signal?: AbortSignal,
  onAnswer: (answer: Answer) => void = () => undefined,
): AnswerStream {
  const token = { ...from } as ResumeToken;
  const stop = new AbortController();
  let answer: Answer | undefined;

  async function* read(): AsyncGenerator<AskEvent, undefined> {
    for (let tries = 0, ms = 0; ;) {
      const connection = new AbortController();
      const ended = AbortSignal.any([connection.signal, stop.signal, signal ?? stop.signal]);
      const within: Within = async (work) => {
        const timer = streamed ? setTimeout(() => connection.abort(connectionLost()), SILENCE_MS) : 0;
        try {
          return await work;
        } catch (error) {
          throw connectionLost(error);
        } finally {
          clearTimeout(timer);
        }
      };
      try {
        if (ms) await sleep(ms, ended);
        const init: Init = { signal: ended };
        if (from) {
          const { key, body, lastEventId } = token;
          init.method = "POST";
          init.body = JSON.stringify({ ...body, stream: streamed });
          init.headers = {
            "content-type": "application/json",
            "idempotency-key": key,
            ...(lastEventId && { "last-event-id": lastEventId }),
          };
        }
        const response = await call(path, init, within);
        if (!streamed) {
          onAnswer((answer = JSON.parse(await within(response.text())) as Answer));
          return;
        }
        const reader = (response.body as ReadableStream<Uint8Array>).getReader();
        // Of a `fetch` that does not listen to its signal, too.
        ended.addEventListener("abort", () => reader.cancel().catch(() => undefined));
        const decode = createDecoder();
        for (;;) {
          const { done, value } = await within(reader.read());
          if (done) throw connectionLost();
          for (const { id, event, data: text = "" } of decode(value)) {
            const data = JSON.parse(text);
            if (event === "error") throw new AskError(data.error, response);
            // Of a stream that had ended before, the end is said again.
            const last = token.lastEventId;
            if (last && !(id === last && event === "done") && id !== last.replace(/\d+$/, (n) => `${+n + 1}`))
              throw new AskError({ message: "Stream lost.", code: "stream_lost" }, response);
            token.lastEventId = id;
            tries = 0;
            if (event === "done") onAnswer((answer = data as Answer));
            yield { event, data } as AskEvent;
            if (answer) return;
          }
        }
      } catch (error) {
        const failure = ended.aborted ? ended.reason : error;
        connection.abort();
        if (stop.signal.aborted) return;
        ms = pauseAfter(failure, ++tries, !!token.lastEventId);
      }
    }
  }

  const events = read();
  const leave = events.return.bind(events, undefined);
  return Object.assign(events, {
    resumeToken: token,
    async answer() {
      for await (const _ of events);
      if (answer) return answer;
      throw stop.signal.reason;
    },
    return() {
      stop.abort();
      return leave();
    },
  });
}
