// Exactly once (docs/contract.md §6): a request with an Idempotency-Key doesn't call upstream itself. It joins the run of its owner and
// key, which makes one call for all requests that send the key within a day.
import { type JsonObject, canonicalJson } from "../../core/lib/json.ts";
import { type JoinRequest, keyReused, streamLost } from "../../core/request/run.ts";
import type { Deps, RequestContext } from "../../deps.ts";
import { assertNotPaused, type Question, type StreamedAnswer, type WholeAnswer } from "../answer.ts";
import type { AskReply } from "../ask-reply.ts";
import { Playback } from "./playback.ts";
import type { RunSpec } from "./recording.ts";
import { readAskReply, readResponsesReply, type ReplyOptions } from "./reply.ts";
import { deriveDigest } from "../../core/callers/owner.ts";
import { readIdempotencyKey, readLastEventId } from "../../core/request/headers.ts";

/** The routes as parts of the fingerprint: the same body sent to another route is another request. */
const ROUTES: Record<RunSpec["form"], string> = { ask: "/ask", responses: "/v1/responses" };

export interface JoinedRun<Reply> {
  /** The name of the recording, which is a part of its event ids. */
  run: string;
  /** The number of the last event that the caller has received; -1 if it has received none. */
  after: number;
  reply: Promise<Reply>;
}

/**
 * Joins the run of the request's key, or starts it, and reads the reply to POST /ask.
 * @param body the request's body before presets and defaults are applied, so that a deployment that changes these doesn't change the
 * request
 * @returns undefined for a request without a key, which calls upstream itself
 * @throws Problem 400 invalid_request, 409 stream_lost, 422 idempotency_key_reused, 503 unavailable or paused
 */
export async function joinAskRun(
  deps: Deps,
  question: Question,
  context: RequestContext,
  body: object,
  headers: Headers,
): Promise<JoinedRun<AskReply> | undefined> {
  const key = readIdempotencyKey(headers);
  const last = readLastEventId(headers);
  if (key === undefined) {
    // A caller that asks for the rest of a stream must never pay for a new call.
    if (last !== undefined) throw streamLost();
    return undefined;
  }
  const { run, playback } = await join(
    deps,
    context,
    key,
    await joinRequestOf("ask", deps, question, context, body, last?.run),
  );
  return { run, after: last?.n ?? -1, reply: readAskReply(playback, optionsOf(deps, context, question.stream)) };
}

/**
 * Does the same as `joinAskRun` for /v1/responses. Its streams have no event ids, so a repeated request gets the stream from its beginning.
 * @throws Problem 400 invalid_request, 422 idempotency_key_reused, 503 unavailable or paused
 */
export async function joinResponsesRun(
  deps: Deps,
  question: Question,
  context: RequestContext,
  body: object,
  headers: Headers,
): Promise<JoinedRun<WholeAnswer | StreamedAnswer> | undefined> {
  const key = readIdempotencyKey(headers);
  if (key === undefined) return undefined;
  const request = await joinRequestOf("responses", deps, question, context, body, undefined);
  const { run, playback } = await join(deps, context, key, request);
  return { run, after: -1, reply: readResponsesReply(playback, optionsOf(deps, context, question.stream)) };
}

/**
 * Resumes a stream of POST /ask by its key and last event id, without the question. Never starts a call.
 * @throws Problem 400 invalid_request, 409 stream_lost, 503 unavailable or paused
 */
export async function resumeAskRun(
  deps: Deps,
  context: RequestContext,
  headers: Headers,
): Promise<JoinedRun<AskReply>> {
  const key = readIdempotencyKey(headers);
  const last = readLastEventId(headers);
  if (key === undefined || last === undefined) throw streamLost();
  const request = { fingerprint: undefined, existingRun: last.run, run: last.run, from: 0, spec: {} };
  const { run, playback } = await join(deps, context, key, request);
  return { run, after: last.n, reply: readAskReply(playback, optionsOf(deps, context, true)) };
}

async function join(
  deps: Deps,
  context: RequestContext,
  key: string,
  request: JoinRequest,
): Promise<{ run: string; playback: Playback }> {
  assertNotPaused(deps);
  const name = await deriveDigest(deps.idKeys, "run", `${context.caller.owner}\0${key}`);
  const joined = await deps.runs.join(name, request);
  if ("refused" in joined) throw joined.refused === "reused" ? keyReused() : streamLost();
  context.logFields.run = joined.role;
  return { run: joined.run, playback: new Playback(deps, name, request, joined, context) };
}

async function joinRequestOf(
  form: RunSpec["form"],
  deps: Deps,
  question: Question,
  { caller, requestId }: RequestContext,
  body: object,
  existingRun: string | undefined,
): Promise<JoinRequest> {
  // One run serves requests with and without `stream`, so the fingerprint omits it.
  const { stream: _, ...request } = body as JsonObject;
  // The fingerprint includes the preset, since a token may imply one, and another token of the same user may imply another.
  const preset = question.composed.preset?.name ?? "";
  const text = `${ROUTES[form]}\0${preset}\0${canonicalJson(request)}`;
  const spec: RunSpec = { form, question, caller, requestId };
  return {
    fingerprint: await deriveDigest(deps.idKeys, "run-request", text),
    existingRun,
    run: deps.random(6),
    from: 0,
    spec,
  };
}

function optionsOf(deps: Deps, { requestId }: RequestContext, stream: boolean): ReplyOptions {
  return { stream, requestId, now: deps.now };
}
