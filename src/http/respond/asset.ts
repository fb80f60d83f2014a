// A file of dist/assets as a response, and the content security policy of the Worker's own pages (/docs, the console): they run their own
// scripts only, and connect to this Worker only.
import type { Context } from "hono";
import type { AppEnv } from "../../app-env.ts";
import { Problem } from "../../core/lib/problem.ts";

/** No eval, no inline script or style; images may be data URLs. A page under it can't reach another origin. */
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

/** A path from a caller can't lead to another folder. */
const PLAIN_PATH = /^(?:\/\w[\w.-]*)+$/;

/**
 * Answers 304 to a client that has the file.
 * @param headers set in place of the file's own
 * @throws Problem 404 not_found, 503 misconfigured
 */
export async function assetResponse(
  c: Context<AppEnv>,
  path: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const file = PLAIN_PATH.test(path) ? await c.get("deps").fetchAsset(path, c.req.header("if-none-match")) : null;
  if (file === null) throw new Problem("not_found", "There is nothing at this address. The API reference is at /docs.");
  for (const [name, value] of Object.entries(headers)) file.headers.set(name, value);
  return file;
}
