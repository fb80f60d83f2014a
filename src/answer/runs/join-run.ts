// Exactly once (contract section 6): a request with an Idempotency-Key does not ask by itself. It joins the flight of its owner and
// key, which asks once for all who come, now or within a day.
import {
  type JoinRequest,
  keyReused,
  readIdempotencyKey,
  readLastEventId,
  streamLost,
} from "../../core/request/idempotency.ts";
import { deriveDigest } from "../../core/callers/ids.ts";
import type { JsonObject } from "../../core/lib/json.ts";
import type { Deps, RequestContext } from "../../deps.ts";
import { assertNotPaused, type Question, type StreamedAnswer, type WholeAnswer } from "../answer.ts";
import { Playback } from "./playback.ts";
import type { RunSpec } from "./recording.ts";
import { canonical } from "../../core/lib/canonical.ts";

export interface RunRequest {
  /** The same request to another route has another answer. */
  route: string;
  /** As it was read, before presets and defaults: a deployment must not make it another one. */
  asked: object;
  headers: Headers;
  /** Its events have ids by which a stream can be continued. */
  resumable: boolean;
}

export interface JoinedRun {
  /** Names the recording in the ids of its events. */
  run: string;
  /** The number of the last event that the caller has; -1: none. */
  after: number;
  answered: Promise<WholeAnswer | StreamedAnswer>;
}

/** Undefined where the request brings no key: it asks by itself. @throws Problem 400, 409, 422, 503 */
export async function joinRun(
  deps: Deps,
  question: Question,
  context: RequestContext,
  { route, asked, headers, resumable }: RunRequest,
): Promise<JoinedRun | undefined> {
  const key = readIdempotencyKey(headers);
  const last = resumable ? readLastEventId(headers) : undefined;
  // Who wants to go on with a stream must never pay for a new one.
  if (key === undefined && last !== undefined) throw streamLost();
  if (key === undefined) return undefined;
  assertNotPaused(deps);
  const { owner } = context.caller;
  const { stream: _, ...same } = asked as JsonObject;
  const name = await deriveDigest(deps.idKeys, "flight", `${owner}\0${key}`);
  // A preset that is implied belongs to the request: another token of the same user may imply another one.
  const preset = question.composed.preset?.name ?? "";
  const fingerprint = await deriveDigest(deps.idKeys, "flight-request", `${route}\0${preset}\0${canonical(same)}`);
  const task: RunSpec = { question, caller: context.caller, requestId: context.requestId };
  const order: JoinRequest = { fingerprint, existingRun: last?.run, run: deps.random(6), from: 0, spec: task };
  const joined = await deps.runs.join(name, order);
  if ("refused" in joined) throw joined.refused === "reused" ? keyReused() : streamLost();
  context.logFields.run = joined.role;
  const playback = new Playback(deps, name, order, joined, context);
  return { run: joined.run, after: last?.n ?? -1, answered: question.stream ? playback.streamed() : playback.whole() };
}

/** Goes on with a stream by its key and the last event alone, without the question. Never starts a call. @throws Problem 400, 409, 503 */
export async function resumeRun(deps: Deps, context: RequestContext, headers: Headers): Promise<JoinedRun> {
  const key = readIdempotencyKey(headers);
  const last = readLastEventId(headers);
  if (key === undefined || last === undefined) throw streamLost();
  assertNotPaused(deps);
  const name = await deriveDigest(deps.idKeys, "flight", `${context.caller.owner}\0${key}`);
  const order: JoinRequest = { fingerprint: undefined, existingRun: last.run, run: last.run, from: 0, spec: {} };
  const joined = await deps.runs.join(name, order);
  if ("refused" in joined) throw streamLost();
  context.logFields.run = joined.role;
  return { run: joined.run, after: last.n, answered: new Playback(deps, name, order, joined, context).streamed() };
}
