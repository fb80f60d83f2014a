// Serves a file of dist/assets, and defines the content security policy of the Worker's own pages (/docs, the console). Under this policy a
// page runs only its own scripts, and connects only to this Worker.
import type { Context } from "hono";
import type { AppEnv } from "../../app-env.ts";
import { Problem } from "../../core/lib/problem.ts";

/** Forbids eval, inline scripts, inline styles and every other origin. Images may be data URLs. */
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

/** Excludes `..` and empty segments, so that a path from a caller can't lead to another folder. */
const PLAIN_PATH = /^(?:\/\w[\w.-]*)+$/;

/**
 * Responds with a file, or with 304 if the client already has the current file.
 * @param headers replace the file's own headers of the same names
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
