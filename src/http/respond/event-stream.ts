// The head of a live answer: waits for the first event, so that a refusal keeps its status, but not longer than a client should have
// to wait for a sign of life. The request's log line waits for the stream's end.
import type { Context } from "hono";
import type { StreamedAnswer, WholeAnswer } from "../../answer/answer.ts";
import type { Problem } from "../../core/lib/problem.ts";
import type { AppEnv } from "../../app-env.ts";
import { dressed } from "./json-response.ts";
import { liveStream, type Source } from "./live-stream.ts";

/** Of silence, before a comment keeps the connection and its proxies awake. */
const PING = { text: ": ping\n\n", afterMs: 5_000 };

/** @param sourceOf what the answer says, be it there or still on its way. @throws Problem what upstream refused in time */
export async function eventStream(
  c: Context<AppEnv>,
  answered: Promise<WholeAnswer | StreamedAnswer>,
  sourceOf: (answered: WholeAnswer | StreamedAnswer | Promise<WholeAnswer | StreamedAnswer>) => Source,
): Promise<Response> {
  const { now } = c.get("deps");
  const silentSince = now();
  const got = await patiently(answered);
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    ...got?.headers,
  };
  return dressed(
    c,
    liveStream(sourceOf(got ?? answered), PING, now, got === undefined ? silentSince : undefined),
    headers,
  );
}

/** What comes while a client can wait without a sign of life; undefined after that. */
export async function patiently<T>(coming: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PING.afterMs);
  });
  return await Promise.race([coming, patience]).finally(() => timer !== undefined && clearTimeout(timer));
}

/** For a source to call once, at its end. */
export function liveEnd(c: Context<AppEnv>): (problem?: Problem) => void {
  const logFields = c.get("logFields");
  const finish = c.get("finish");
  c.set("live", true);
  return (problem) => {
    if (problem !== undefined) {
      logFields.code = problem.code;
      logFields.reason = problem.details.reason;
    }
    finish();
  };
}
