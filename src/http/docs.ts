// GET /openapi.json and /docs: this API as a document, and that document as a page. Both are public and always on: they say nothing
// that the source of the project doesn't, and hold nothing of a deployer's config.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { methodNotAllowed, Problem } from "../core/problem.ts";

/** Swagger UI needs no eval and no script or style within HTML; its icons are data URLs. Whatever it does, it can't reach another origin. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
const OF_THE_PAGE = { "content-security-policy": PAGE_POLICY, "referrer-policy": "no-referrer" };

/** What callers send leads to no other folder. */
const PLAIN_PATH = /^(?:\/\w[\w.-]*)+$/;

export const docsRoutes = new Hono<AppEnv>()
  .get("/openapi.json", (c) => file(c, "/openapi.json"))
  .get("/docs", (c) => file(c, "/docs/docs.html", OF_THE_PAGE))
  // The page itself is one of them, under its own name.
  .get("/docs/:file", (c) => file(c, `/docs/${c.req.param("file")}`, OF_THE_PAGE))
  .on("ALL", ["/openapi.json", "/docs"], () => {
    throw methodNotAllowed("GET, HEAD");
  });

async function file(c: Context<AppEnv>, path: string, headers: Record<string, string> = {}): Promise<Response> {
  const found = PLAIN_PATH.test(path) ? await c.var.deps.assets(path, c.req.header("if-none-match")) : null;
  if (found === null) throw new Problem("not_found", "There is nothing at this address. The API reference is at /docs.");
  for (const [name, value] of Object.entries(headers)) found.headers.set(name, value);
  return found;
}
