// Calls UniAPI's POST /v1/responses and GET /v1/models. No header of a caller is forwarded. A reply becomes a response object, a stream of
// complete frames, or a Problem that says whether the call may have been paid.
import { readBytes } from "../../core/lib/body.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../../core/lib/json.ts";
import type { Problem } from "../../core/lib/problem.ts";
import { type Frame, FrameSplitter, FrameTooLarge } from "../../core/lib/sse.ts";
import { withBlankLine, isCompleteEvent, readResponse, unreadableProblem } from "../../core/upstream/upstream-body.ts";
import { retryAfterSeconds } from "../../core/upstream/retry-after.ts";
import { upstreamProblem } from "../../core/upstream/upstream-error.ts";
import { CallDeadline, type UpstreamDeadlines } from "./call-deadline.ts";

const MAX_JSON_BYTES = 8 * 1_048_576;
const MAX_EVENT_BYTES = 8 * 1_048_576;
const MAX_ERROR_BYTES = 65_536;
/** How long the body of an error may take. It is short, because the status alone is enough to answer the caller. */
const ERROR_BODY_MS = 5_000;

export interface UpstreamSettings {
  /** Without `/v1` and without a trailing slash. */
  baseUrl: string;
  /** The deployer's UniAPI key. */
  key: string;
  deadlines: UpstreamDeadlines;
}

/** A stream in progress. */
export interface UpstreamStream {
  /**
   * Waits for upstream's next bytes. Returns the frames that they complete, or an empty list if they complete none; null at the end.
   * @throws Problem
   */
  next: () => Promise<Frame[] | null>;
  cancel: () => void;
}

/** A complete response object, or a stream whose headers have arrived. */
export type UpstreamReply = { kind: "response"; response: JsonObject } | { kind: "stream"; stream: UpstreamStream };

export interface Upstream {
  /**
   * Sends one request to POST /v1/responses.
   * @param body the request body without `stream`
   * @param stream whether to ask for an event stream. Upstream may send a complete response all the same
   * @param signal aborts the call when the caller disconnects; undefined if no caller waits
   * @param maxEventBytes limit for one event of a stream; 8 MiB if absent
   * @throws Problem whose `details.paid` says whether the call may have been paid
   */
  create: (
    body: JsonObject,
    stream: boolean,
    signal: AbortSignal | undefined,
    maxEventBytes?: number,
  ) => Promise<UpstreamReply>;
  /** Fetches upstream's list of models. @throws Problem */
  models: (signal: AbortSignal) => Promise<JsonObject>;
  /**
   * Converts an error in the body of a 200 or in a stream to a Problem.
   * @param request the body of the request, if the error came before any output
   */
  problemFromBody: (body: JsonObject, request?: JsonObject) => Problem;
}

/**
 * Returns an Upstream that calls UniAPI through `fetcher`.
 * @param now milliseconds since 1970
 * @param random returns that many random bytes, in hex
 */
export function createUpstream(
  settings: UpstreamSettings,
  fetcher: typeof fetch,
  now: () => number,
  random: (bytes: number) => string,
): Upstream {
  const secrets = [settings.key];
  const address = `${settings.baseUrl}/v1/responses`;
  // The headers are created once, as Headers objects: for each call, the runtime copies these, but would read a plain object name by name.
  const headersFor = (accept: string): Headers =>
    new Headers({
      authorization: `Bearer ${settings.key}`,
      "content-type": "application/json",
      accept,
      "user-agent": "uniapi-edge",
    });
  const jsonHeaders = headersFor("application/json");
  const eventHeaders = headersFor("text/event-stream");
  const problemFromBody = (body: JsonObject, request?: JsonObject): Problem =>
    upstreamProblem({ status: 200, body, request }, secrets);

  async function create(
    body: JsonObject,
    stream: boolean,
    signal: AbortSignal | undefined,
    maxEventBytes = MAX_EVENT_BYTES,
  ): Promise<UpstreamReply> {
    const deadline = new CallDeadline(settings.deadlines, signal, now);
    try {
      const response = await deadline.until(
        fetcher(address, {
          method: "POST",
          redirect: "manual",
          signal: deadline.signal,
          headers: stream ? eventHeaders : jsonHeaders,
          body: JSON.stringify({ ...body, stream }),
        }),
      );
      deadline.recordFirstByte();
      if (!response.ok) throw await problemOf(response, deadline, secrets, now(), body);
      const type = response.headers.get("content-type") ?? "";
      // Relays label event streams with various types. Only JSON and HTML are certainly not event streams.
      if (stream && response.body !== null && !/application\/json|text\/(?:json|html)/i.test(type)) {
        return { kind: "stream", stream: readFrames(response, deadline, maxEventBytes) };
      }
      const bytes = await readAll(response, deadline, MAX_JSON_BYTES);
      deadline.end();
      const toProblem = (errorBody: JsonObject): Problem => problemFromBody(errorBody, body);
      return {
        kind: "response",
        response: readResponse(bytes, toProblem, { random, now: Math.floor(now() / 1_000) }),
      };
    } catch (error) {
      deadline.end();
      throw deadline.explain(error);
    }
  }
  async function models(signal: AbortSignal): Promise<JsonObject> {
    const deadline = new CallDeadline(settings.deadlines, signal, now);
    try {
      const headers = {
        authorization: `Bearer ${settings.key}`,
        accept: "application/json",
        "user-agent": "uniapi-edge",
      };
      const response = await deadline.until(
        fetcher(`${settings.baseUrl}/v1/models`, { redirect: "manual", signal: deadline.signal, headers }),
      );
      deadline.recordFirstByte();
      if (!response.ok) throw await problemOf(response, deadline, secrets, now());
      const list = parseJson(decodeUtf8(await readAll(response, deadline, MAX_JSON_BYTES)));
      if (!isRecord(list)) throw unreadableProblem("UniAPI's list of models can't be read.", "no list of models");
      return list;
    } catch (error) {
      throw deadline.explain(error);
    } finally {
      deadline.end();
    }
  }

  return { create, models, problemFromBody };
}

/** Reads the frames of an event stream, under the idle and the total deadline. */
function readFrames(response: Response, deadline: CallDeadline, maxEventBytes: number): UpstreamStream {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const splitter = new FrameSplitter(maxEventBytes);
  const isEncoded = response.headers.has("content-encoding");
  let isEnded = false;
  const closeReader = (): void => void reader.cancel().catch(() => undefined);
  deadline.onStop(closeReader);
  return {
    async next() {
      if (isEnded) return null;
      try {
        const { done, value } = await reader.read();
        deadline.assertRunning();
        deadline.recordByte();
        if (!done) return splitter.push(value);
        isEnded = true;
        deadline.end();
        const rest = splitter.end();
        return rest !== undefined && isCompleteEvent(rest) ? [withBlankLine(rest)] : null;
      } catch (error) {
        isEnded = true;
        deadline.end();
        closeReader();
        if (error instanceof FrameTooLarge)
          throw unreadableProblem("UniAPI sent an event larger than this Worker accepts.", "event too large");
        throw deadline.explain(error, isEncoded);
      }
    },
    cancel() {
      isEnded = true;
      deadline.cancel();
      closeReader();
    },
  };
}

async function readAll(response: Response, deadline: CallDeadline, maxBytes: number): Promise<Uint8Array> {
  try {
    return await readBytes(
      response,
      maxBytes,
      async (read) => {
        const chunk = await deadline.until(read);
        deadline.recordByte();
        return chunk;
      },
      () => unreadableProblem("UniAPI sent an answer larger than this Worker accepts.", "answer too large"),
    );
  } catch (error) {
    throw deadline.explain(error, response.headers.has("content-encoding"));
  }
}

/** Converts a status other than 2xx to a Problem. The body only adds details: it may be empty, be HTML, or never arrive. */
async function problemOf(
  response: Response,
  deadline: CallDeadline,
  secrets: readonly string[],
  nowMs: number,
  request?: JsonObject,
): Promise<Problem> {
  let body: unknown;
  deadline.limit(ERROR_BODY_MS);
  try {
    const text = decodeUtf8(await readAll(response, deadline, MAX_ERROR_BYTES));
    body = parseJson(text) ?? text;
  } catch {
    body = undefined;
  }
  return upstreamProblem(
    { status: response.status, body, retryAfter: retryAfterSeconds(response.headers, nowMs), request },
    secrets,
  );
}
