// Exactly once (contract section 6): a request with an Idempotency-Key does not ask by itself. It joins the flight of its owner and
// key, which asks once for all who come, now or within a day.
import { type Order, keyReused, readIdempotencyKey, readLastEventId, streamLost } from "../../core/request/idempotency.ts";
import { deriveDigest } from "../../core/callers/ids.ts";
import type { JsonObject } from "../../core/lib/json.ts";
import type { Deps, RequestContext } from "../../deps.ts";
import { assertNotPaused, type Question, type Streamed, type Whole } from "../answer.ts";
import { Playback } from "./playback.ts";
import type { Task } from "./recording.ts";
import { canonical } from "../../core/lib/canonical.ts";

export interface FlightRequest {
  /** The same request to another route has another answer. */
  route: string;
  /** As it was read, before presets and defaults: a deployment must not make it another one. */
  asked: object;
  headers: Headers;
  /** Its events have ids by which a stream can be continued. */
  resumable: boolean;
}

export interface OnFlight {
  /** Names the recording in the ids of its events. */
  run: string;
  /** The number of the last event that the caller has; -1: none. */
  after: number;
  answered: Promise<Whole | Streamed>;
}

/** Undefined where the request brings no key: it asks by itself. @throws Problem 400, 409, 422, 503 */
export async function joinFlight(
  deps: Deps,
  question: Question,
  context: RequestContext,
  { route, asked, headers, resumable }: FlightRequest,
): Promise<OnFlight | undefined> {
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
  const task: Task = { question, caller: context.caller, requestId: context.requestId };
  const order: Order = { fingerprint, only: last?.run, run: deps.random(6), from: 0, task };
  const joined = await deps.flights.join(name, order);
  if ("refused" in joined) throw joined.refused === "reused" ? keyReused() : streamLost();
  context.facts.flight = joined.role;
  const playback = new Playback(deps, name, order, joined, context);
  return { run: joined.run, after: last?.n ?? -1, answered: question.stream ? playback.streamed() : playback.whole() };
}

/** Goes on with a stream by its key and the last event alone, without the question. Never starts a call. @throws Problem 400, 409, 503 */
export async function rejoinFlight(deps: Deps, context: RequestContext, headers: Headers): Promise<OnFlight> {
  const key = readIdempotencyKey(headers);
  const last = readLastEventId(headers);
  if (key === undefined || last === undefined) throw streamLost();
  assertNotPaused(deps);
  const name = await deriveDigest(deps.idKeys, "flight", `${context.caller.owner}\0${key}`);
  const order: Order = { fingerprint: undefined, only: last.run, run: last.run, from: 0, task: {} };
  const joined = await deps.flights.join(name, order);
  if ("refused" in joined) throw streamLost();
  context.facts.flight = joined.role;
  return { run: joined.run, after: last.n, answered: new Playback(deps, name, order, joined, context).streamed() };
}
