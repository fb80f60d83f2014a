// A whole answer as JSON.
import type { Context } from "hono";
import type { AppEnv } from "../app-env.ts";

/** Never for a cache on the way: answers are somebody's. */
export function jsonResponse(c: Context<AppEnv>, value: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), {
    headers: withCommon(c, { "content-type": "application/json", "cache-control": "no-store", ...headers }),
  });
}

/** Beside an answer's own headers those of all answers, in one go: to set each of them afterwards takes longer. */
export function withCommon(c: Context<AppEnv>, headers: Record<string, string>): Record<string, string> {
  c.set("dressed", true);
  return { ...headers, ...c.get("common") };
}
