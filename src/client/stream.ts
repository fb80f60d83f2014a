// Reads one answer, reconnecting if a connection breaks. Each connection continues after the last complete event of the previous one
// (docs/contract.md §6), so the text is the same, byte for byte, as over a single connection.
import type { Call, Init, Within } from "./call.ts";
import { createDecoder } from "./decode.ts";
import { AskError, connectionLost } from "./error.ts";
import { aborted, pauseAfter, sleep } from "./pause.ts";
import type { ResumeToken } from "./question.ts";
import type { Answer, AskEvent } from "./types.ts";

/** The events of an answer. The request is sent when the first event is read. */
export interface AnswerStream extends AsyncIterable<AskEvent> {
  /**
   * The argument of `resume`, which continues after the last event that was read. The token changes with each event, so copy it as JSON.
   */
  readonly resumeToken: ResumeToken;
  /**
   * Reads the rest of the stream and returns the answer.
   * @throws AskError, an error of the `token` function, or the reason of an aborted signal; an AbortError if `return()` was called before
   * the end
   */
  answer(): Promise<Answer>;
  next(): Promise<IteratorResult<AskEvent, undefined>>;
  /** Closes the connection immediately. A `break` in a loop does the same. */
  return(): Promise<IteratorResult<AskEvent, undefined>>;
}

/** The silence after which a connection counts as broken. The Worker sends at least a ping every five seconds. */
const MAX_SILENCE_MS = 30_000;

/**
 * Creates the stream of one answer.
 * @param from the question and where to resume, for a POST. If it is absent, the request is a GET
 * @param streamed if falsy, the answer is one JSON body, without events
 * @param conversation its id is set when the answer is complete: in a stream, just before `done` is yielded
 */
export function openStream(
  call: Call,
  path: string,
  from?: ResumeToken,
  streamed?: boolean,
  signal?: AbortSignal,
  conversation: { id?: string | null } = {},
): AnswerStream {
  const token = { ...from } as ResumeToken;
  const stop = new AbortController();
  let answer: Answer | undefined;

  async function* read(): AsyncGenerator<AskEvent, undefined> {
    for (let tries = 0, ms = 0; ;) {
      const connection = new AbortController();
      const ended = AbortSignal.any([connection.signal, stop.signal, signal ?? stop.signal]);
      let response: Response | undefined;
      const within: Within = async (work) => {
        const timer = streamed ? setTimeout(() => connection.abort(connectionLost()), MAX_SILENCE_MS) : 0;
        try {
          return await work;
        } catch (error) {
          throw connectionLost(response, error);
        } finally {
          clearTimeout(timer);
        }
      };
      try {
        if (ms) await sleep(ms, ended);
        const { key, body, lastEventId } = token;
        const init: Init = {
          signal: ended,
          ...(from && {
            method: "POST",
            body: JSON.stringify({ ...body, stream: streamed }),
            headers: {
              "content-type": "application/json",
              "idempotency-key": key,
              ...(lastEventId && { "last-event-id": lastEventId }),
            },
          }),
        };
        response = await call(path, init, within);
        if (!streamed) {
          conversation.id = (answer = JSON.parse(await within(response.text())) as Answer).id;
          return;
        }
        const reader = (response.body as ReadableStream<Uint8Array>).getReader();
        // A custom `fetch` may ignore its signal.
        aborted(ended)
          .catch(() => reader.cancel())
          .catch(() => undefined);
        const decode = createDecoder();
        for (;;) {
          const { done, value } = await within(reader.read());
          if (done) throw connectionLost(response);
          for (const { id, event, data: text } of decode(value)) {
            const data = JSON.parse(text as string);
            // After an abort, events that have already arrived are dropped. The catch block then throws the signal's reason.
            if (ended.aborted || event === "error") throw new AskError(data.error, response);
            // The next event must have the next number. Only `done` may repeat the last id: a stream that had already ended sends `done`
            // again.
            const last = token.lastEventId;
            if (
              last &&
              (event !== "done" || id !== last) &&
              id !== last.replace(/\d+$/, (n) => (+n + 1) as unknown as string)
            )
              throw new AskError({ message: "Stream lost.", code: "stream_lost" }, response);
            token.lastEventId = id;
            tries = 0;
            if (event === "done") conversation.id = (answer = data as Answer).id;
            yield { event, data } as AskEvent;
            if (answer) return;
          }
        }
      } catch (error) {
        // A response that can't be parsed is not from the Worker.
        const failure = ended.aborted
          ? ended.reason
          : response && !(error instanceof AskError)
            ? new AskError({ cause: error }, response)
            : error;
        connection.abort();
        if (stop.signal.aborted) return;
        ms = pauseAfter(failure, ++tries, token.lastEventId);
      }
    }
  }

  const events = read();
  const end = events.return.bind(events) as () => Promise<IteratorResult<AskEvent, undefined>>;
  return Object.assign(events, {
    resumeToken: token,
    async answer() {
      for await (const _ of events);
      if (answer) return answer;
      throw stop.signal.reason;
    },
    return() {
      stop.abort();
      return end();
    },
  });
}
