// How routes respond: with JSON, with an error, or with an event stream. These functions need Hono's context. stream-body.ts produces the
// body of a stream without it.
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppEnv } from "../../app-env.ts";
import { openAiErrorBody, openAiStatus } from "../../core/lib/openai-error.ts";
import { toProblem, type Problem } from "../../core/lib/problem.ts";
import { liveBody, PING_AFTER_MS, type Source } from "./stream-body.ts";

/** Every response belongs to one caller, so no cache may store it. */
export const NO_STORE = { "cache-control": "no-store" };

export function json(c: Context<AppEnv>, value: object, status = 200, headers: Record<string, string> = {}): Response {
  return c.json(value, status as ContentfulStatusCode, { ...NO_STORE, ...headers });
}

/** The routes of OpenAI's API, which have OpenAI's errors. Hono's path has single slashes and none at its end. */
const OPENAI_PATH = /^\/(?:v1|responses)(?:\/|$)/;

/** Creates the response to any error (docs/contract.md §8). */
export function errorResponse(c: Context<AppEnv>, error: unknown): Response {
  const problem = toProblem(error, c.get("logFields").upstream_called);
  logProblem(c, problem);
  // There is no stream to wait for, so the log line is written now.
  c.set("streamEnd", undefined);
  const requestId = c.get("requestId");
  return OPENAI_PATH.test(c.req.path)
    ? json(c, openAiErrorBody(problem, requestId), openAiStatus(problem), problem.headers())
    : json(c, problem.body(requestId), problem.status, problem.headers());
}

/** Adds the problem to the request's log line. The stack of an unexpected problem is logged separately. */
export function logProblem(c: Context<AppEnv>, problem: Problem): void {
  const logFields = c.get("logFields");
  logFields.code = problem.code;
  logFields.reason = problem.details.reason;
  c.get("log").exception(c.get("requestId"), problem);
}

/**
 * Creates a text/event-stream response. Waits up to PING_AFTER_MS before sending headers, so that an early refusal still gets its own
 * status.
 * @param toSource builds the body from the reply, or from its promise if the reply is still pending after PING_AFTER_MS
 * @throws Problem if upstream refuses within PING_AFTER_MS
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

/** Waits for a promise until the first ping is due. @returns undefined if the promise is still pending at that time */
export async function awaitUntilPing<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PING_AFTER_MS);
  });
  return await Promise.race([promise, timeout]).finally(() => timer !== undefined && clearTimeout(timer));
}

/**
 * Makes the request's log line wait for the stream.
 * @returns a function that the source must call once, when the stream ends, passing the problem if it failed
 */
export function deferLogLine(c: Context<AppEnv>): (problem?: Problem) => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  c.set("streamEnd", promise);
  return (problem) => {
    if (problem !== undefined) logProblem(c, problem);
    resolve();
  };
}
