// How routes respond: JSON, errors, and the head of an event stream. Everything here needs Hono's context; bodies that stream do not
// (stream-body.ts).
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppEnv } from "../../app-env.ts";
import { toProblem, type Problem } from "../../core/lib/problem.ts";
import { liveBody, PING_AFTER_MS, type Source } from "./stream-body.ts";

/** Every response belongs to one caller, so no cache on the way may store it. */
export const NO_STORE = { "cache-control": "no-store" };

export function json(c: Context<AppEnv>, value: object, status = 200, headers: Record<string, string> = {}): Response {
  return c.json(value, status as ContentfulStatusCode, { ...NO_STORE, ...headers });
}

/** The response to any error (docs/contract.md §8). */
export function errorResponse(c: Context<AppEnv>, error: unknown): Response {
  const problem = toProblem(error, c.get("logFields").upstream_called);
  logProblem(c, problem);
  // No stream will end: the log line is due at once.
  c.set("streamEnd", undefined);
  return json(c, problem.body(c.get("requestId")), problem.status, problem.headers());
}

/** Adds the problem to the request's log line. The stack of an unexpected one is logged separately. */
export function logProblem(c: Context<AppEnv>, problem: Problem): void {
  const logFields = c.get("logFields");
  logFields.code = problem.code;
  logFields.reason = problem.details.reason;
  c.get("log").exception(c.get("requestId"), problem);
}

/**
 * A text/event-stream response. Its head waits for the reply, so that a refusal still gets its own status.
 * @param toSource gets the reply, or its promise where it takes longer than a client should wait for a sign of life (PING_AFTER_MS)
 * @throws Problem if upstream refuses before that time
 */
export async function eventStream<Reply extends { headers: Record<string, string> }>(
  c: Context<AppEnv>,
  pending: Promise<Reply>,
  toSource: (reply: Reply | Promise<Reply>) => Source,
): Promise<Response> {
  const { now } = c.get("deps");
  const silentSince = now();
  const reply = await awaitUntilPing(pending);
  const body = reply === undefined ? liveBody(toSource(pending), now, { silentSince }) : liveBody(toSource(reply), now);
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      ...NO_STORE,
      "x-accel-buffering": "no",
      ...reply?.headers,
    },
  });
}

/** Waits for a promise until the first ping is due. @returns undefined if the promise is then still pending */
export async function awaitUntilPing<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PING_AFTER_MS);
  });
  return await Promise.race([promise, timeout]).finally(() => timer !== undefined && clearTimeout(timer));
}

/**
 * Makes the request's log line wait for the stream.
 * @returns for the source to call once, when the stream ends: with the problem if it failed
 */
export function deferLogLine(c: Context<AppEnv>): (problem?: Problem) => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  c.set("streamEnd", promise);
  return (problem) => {
    if (problem !== undefined) logProblem(c, problem);
    resolve();
  };
}
