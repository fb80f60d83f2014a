// Exactly once (docs/contract.md §6): a request with an Idempotency-Key makes no call of its own. It joins the run of its owner and key,
// which makes one call for all requests with that key, now or within a day.
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

/** Part of the fingerprint: the same body sent to another route is another request. */
const ROUTES: Record<RunSpec["form"], string> = { ask: "/ask", responses: "/v1/responses" };

export interface JoinedRun<Reply> {
  /** Names the recording in the ids of its events. */
  run: string;
  /** The number of the last event that the caller has; -1 if it has none. */
  after: number;
  reply: Promise<Reply>;
}

/**
 * Joins the run of the request's key, or starts it, and reads its reply.
 * @param body the request's body without presets and defaults: a deployment that changes these must not make it another request
 * @returns undefined for a request without a key, which makes its own call
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
    // A caller that wants the rest of a stream must never pay for a new one.
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
 * The same for /v1/responses, whose streams have no event ids: a repetition gets the stream from its beginning.
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
 * Continues a stream of POST /ask by its key and its last event, without the question. Never starts a call.
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
  // A run serves streams and whole answers alike.
  const { stream: _, ...request } = body as JsonObject;
  // An implied preset belongs to the request: another token of the same user may imply another one.
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
