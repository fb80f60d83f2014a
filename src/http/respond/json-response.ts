// A whole answer as JSON.
import type { Context } from "hono";
import type { AppEnv } from "../../app-env.ts";

/** Never for a cache on the way: answers are somebody's. */
export function jsonResponse(c: Context<AppEnv>, value: object, headers: Record<string, string> = {}): Response {
  return dressed(c, JSON.stringify(value), {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...headers,
  });
}

/** An answer with its own headers and those of all answers, put in together: to set each of them afterwards takes longer. */
export function dressed(
  c: Context<AppEnv>,
  body: string | ReadableStream<Uint8Array>,
  headers: Record<string, string>,
): Response {
  const response = new Response(body, { headers: { ...headers, ...c.get("common") } });
  c.set("dressed", response);
  return response;
}
