// A file of one of the Worker's own pages (/docs, the console), and what such a page may do: run its own scripts, and speak to no one
// but this Worker.
import type { Context } from "hono";
import type { AppEnv } from "../../app-env.ts";
import { Problem } from "../../core/lib/problem.ts";

/** No eval, no script or style within HTML; images may be data URLs. Whatever a page does, it can't reach another origin. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** What callers send leads to no other folder. */
const PLAIN_PATH = /^(?:\/\w[\w.-]*)+$/;

/** @throws Problem not_found */
export async function pageFile(
  c: Context<AppEnv>,
  path: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const found = PLAIN_PATH.test(path) ? await c.var.deps.assets(path, c.req.header("if-none-match")) : null;
  if (found === null)
    throw new Problem("not_found", "There is nothing at this address. The API reference is at /docs.");
  for (const [name, value] of Object.entries(headers)) found.headers.set(name, value);
  return found;
}
