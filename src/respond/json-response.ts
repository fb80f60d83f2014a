// A whole answer as JSON.

/** Never for a cache on the way: answers are somebody's. */
export function jsonResponse(value: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), {
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}
