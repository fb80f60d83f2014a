// UniAPI's POST /v1/responses: the key bound, headers built from nothing, deadlines, and every quirk of its answers read here, so
// that the rest of the house sees a response object, a stream of whole frames, or a Problem that says what may have been paid.
import { readBytes } from "../../core/lib/body.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../../core/lib/json.ts";
import type { Problem } from "../../core/lib/problem.ts";
import { type Frame, FrameSplitter, FrameTooLarge } from "../../core/lib/sse.ts";
import { withBlankLine, isWholeEvent, readResponse, unreadableProblem } from "../../core/upstream/upstream-body.ts";
import { retryAfterSeconds, upstreamProblem } from "../../core/upstream/upstream-error.ts";
import { CallDeadline } from "./call-deadline.ts";

const MAX_JSON_BYTES = 8 * 1_048_576;
const MAX_EVENT_BYTES = 8 * 1_048_576;
const MAX_ERROR_BYTES = 65_536;
/** The status has said it; a caller does not wait long for the words. */
const ERROR_BODY_MS = 5_000;

/** Milliseconds. */
export interface UpstreamDeadlines {
  upstream_first_byte: number;
  upstream_idle: number;
  upstream_total: number;
}

export interface UpstreamSettings {
  /** Without `/v1` and without a trailing slash. */
  baseUrl: string;
  key: string;
  deadlines: UpstreamDeadlines;
}

/** A running stream. `next` waits for upstream's next bytes and gives the frames that they complete (perhaps none), null at the end. */
export interface UpstreamStream {
  next: () => Promise<Frame[] | null>;
  cancel: () => void;
}

export type UpstreamReply = { kind: "response"; response: JsonObject } | { kind: "stream"; stream: UpstreamStream };

export interface Upstream {
  /**
   * @param body the whole body but `stream`
   * @param signal of the request that waits: aborted, it aborts the call. undefined: nobody waits
   * @param maxEventBytes of one event of a stream; 8 MiB if absent
   * @throws Problem; `details.paid` says whether the call may have been paid
   */
  create: (
    body: JsonObject,
    stream: boolean,
    signal: AbortSignal | undefined,
    maxEventBytes?: number,
  ) => Promise<UpstreamReply>;
  /** Upstream's list of models. @throws Problem */
  models: (signal: AbortSignal) => Promise<JsonObject>;
  /** What an error inside a body or a stream means. */
  fault: (body: JsonObject) => Problem;
}

export function uniapi(settings: UpstreamSettings, fetcher: typeof fetch, now: () => number): Upstream {
  const secrets = [settings.key];
  const address = `${settings.baseUrl}/v1/responses`;
  // Made once: a Headers object is copied by the runtime, a plain one is read name by name.
  const headersFor = (accept: string): Headers =>
    new Headers({
      authorization: `Bearer ${settings.key}`,
      "content-type": "application/json",
      accept,
      "user-agent": "uniapi-edge",
    });
  const asksJson = headersFor("application/json");
  const asksEvents = headersFor("text/event-stream");
  const fault = (body: JsonObject): Problem => upstreamProblem({ status: 200, body }, secrets);

  async function create(
    body: JsonObject,
    stream: boolean,
    signal: AbortSignal | undefined,
    maxEventBytes = MAX_EVENT_BYTES,
  ): Promise<UpstreamReply> {
    const watch = new CallDeadline(settings.deadlines, signal, now);
    try {
      const response = await watch.until(
        fetcher(address, {
          method: "POST",
          redirect: "manual",
          signal: watch.signal,
          headers: stream ? asksEvents : asksJson,
          body: JSON.stringify({ ...body, stream }),
        }),
      );
      watch.firstByte();
      if (!response.ok) throw await refusal(response, watch, secrets, now());
      const type = response.headers.get("content-type") ?? "";
      // Relays name their event streams as they like; JSON and a page are none.
      if (stream && response.body !== null && !/application\/json|text\/html/i.test(type)) {
        return { kind: "stream", stream: frames(response, watch, maxEventBytes) };
      }
      const whole = await readWhole(response, watch, MAX_JSON_BYTES);
      watch.end();
      return { kind: "response", response: readResponse(whole, fault) };
    } catch (error) {
      watch.end();
      throw watch.explain(error);
    }
  }
  async function models(signal: AbortSignal): Promise<JsonObject> {
    const watch = new CallDeadline(settings.deadlines, signal, now);
    try {
      const headers = {
        authorization: `Bearer ${settings.key}`,
        accept: "application/json",
        "user-agent": "uniapi-edge",
      };
      const response = await watch.until(
        fetcher(`${settings.baseUrl}/v1/models`, { redirect: "manual", signal: watch.signal, headers }),
      );
      watch.firstByte();
      if (!response.ok) throw await refusal(response, watch, secrets, now());
      const list = parseJson(decodeUtf8(await readWhole(response, watch, MAX_JSON_BYTES)));
      if (!isRecord(list)) throw unreadableProblem("UniAPI's list of models is not readable.", "no list of models");
      return list;
    } catch (error) {
      throw watch.explain(error);
    } finally {
      watch.end();
    }
  }

  return { create, models, fault };
}

function frames(response: Response, watch: CallDeadline, maxEventBytes: number): UpstreamStream {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const splitter = new FrameSplitter(maxEventBytes);
  const encoded = response.headers.has("content-encoding");
  let ended = false;
  const leave = (): void => void reader.cancel().catch(() => undefined);
  watch.whenStopped(leave);
  return {
    async next() {
      if (ended) return null;
      try {
        const { done, value } = await reader.read();
        watch.assertRunning();
        watch.byte();
        if (!done) return splitter.push(value);
        ended = true;
        watch.end();
        const rest = splitter.end();
        return rest !== undefined && isWholeEvent(rest) ? [withBlankLine(rest)] : null;
      } catch (error) {
        ended = true;
        watch.end();
        leave();
        if (error instanceof FrameTooLarge)
          throw unreadableProblem("UniAPI sent an event larger than this Worker takes.", "event too large");
        throw watch.explain(error, encoded);
      }
    },
    cancel() {
      ended = true;
      watch.cancel();
      leave();
    },
  };
}

async function readWhole(response: Response, watch: CallDeadline, maxBytes: number): Promise<Uint8Array> {
  try {
    return await readBytes(
      response,
      maxBytes,
      async (read) => {
        const piece = await watch.until(read);
        watch.byte();
        return piece;
      },
      () => unreadableProblem("UniAPI sent an answer larger than this Worker takes.", "answer too large"),
    );
  } catch (error) {
    throw watch.explain(error, response.headers.has("content-encoding"));
  }
}

/** What a status other than 2xx means. The body is only a hint: it may be empty, HTML, or never come. */
async function refusal(
  response: Response,
  watch: CallDeadline,
  secrets: readonly string[],
  nowMs: number,
): Promise<Problem> {
  let body: unknown;
  watch.limit(ERROR_BODY_MS);
  try {
    body = parseJson(decodeUtf8(await readWhole(response, watch, MAX_ERROR_BYTES)));
  } catch {
    body = undefined;
  }
  return upstreamProblem(
    { status: response.status, body, retryAfter: retryAfterSeconds(response.headers, nowMs) },
    secrets,
  );
}
