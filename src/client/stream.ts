// A question on its way until it is answered, over as many connections as that takes: each goes on after the last whole event of the
// one before (contract section 6), so that what is said joins to the same, byte for byte.
import type { Answer, AskEvent as WorkerEvent } from "../contract/answer.ts";
import type { Call, Init, Within } from "./call.ts";
import { createDecoder } from "./decode.ts";
import { AskError, connectionLost } from "./error.ts";
import { aborted, pauseAfter, sleep } from "./pause.ts";
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
 * @param conversation takes the answer's id just before `done` is given out
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
        const timer = streamed ? setTimeout(() => connection.abort(connectionLost()), SILENCE_MS) : 0;
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
        // Of a `fetch` that does not listen to its signal, too.
        aborted(ended)
          .catch(() => reader.cancel())
          .catch(() => undefined);
        const decode = createDecoder();
        for (;;) {
          const { done, value } = await within(reader.read());
          if (done) throw connectionLost(response);
          for (const { id, event, data: text } of decode(value)) {
            const data = JSON.parse(text as string);
            if (event === "error") throw new AskError(data.error, response);
            // Of a stream that had ended before, the end is said again.
            const last = token.lastEventId;
            if (
              last &&
              (id !== last || event !== "done") &&
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
        // What can't be read is no answer of the Worker's, whoever gave it.
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
