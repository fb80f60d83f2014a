// GET /client.js: the typed client (docs/client.md), a static text. Any page may read it, since it is no secret and an import sends no
// credential; what a page may then do with it, `origins` decides.
import { type Context, Hono } from "hono";
import { methodNotAllowed } from "../core/lib/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { served } from "../client/served.ts";

const HEADERS = {
  "content-type": "text/javascript; charset=utf-8",
  etag: served.etag,
  // Its address has no version: a deployment is seen within five minutes, and meanwhile nobody waits for it.
  "cache-control": "public, max-age=300, stale-while-revalidate=86400",
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

export const clientRoutes = new Hono<AppEnv>().get("/client.js", getClient).all("/client.js", () => {
  throw methodNotAllowed("GET, HEAD");
});

function getClient(c: Context<AppEnv>): Response {
  // Weak comparison (RFC 9110, section 13.1.2): whoever compresses it on the way makes the tag weak.
  const known = new Set((c.req.header("if-none-match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, "")));
  const fresh = known.has(served.etag) || known.has("*");
  return fresh
    ? new Response(null, { status: 304, headers: HEADERS })
    : new Response(served.text, { headers: HEADERS });
}
