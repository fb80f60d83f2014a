// The files that are deployed beside the bundle (dist/assets, made by scripts/assets.ts). Request and response headers are built from
// nothing: a caller's headers decide only whether a file is sent again.
import { misconfigured } from "../core/config/setting.ts";

/**
 * Null for a file that does not exist; 304 without a body if it matches.
 * @param ifNoneMatch the caller's `If-None-Match`
 * @throws Problem 503 misconfigured
 */
export type Assets = (path: string, ifNoneMatch: string | undefined) => Promise<Response | null>;

/** The part of the binding that is used. */
export interface AssetsBinding {
  fetch: (url: string) => Promise<Response>;
}

const COPIED_HEADERS = ["content-type", "etag", "cache-control"];

export function boundAssets(binding: AssetsBinding | undefined): Assets {
  return async function asset(path, ifNoneMatch) {
    if (binding === undefined)
      throw misconfigured("ASSETS", "is not bound: wrangler.toml must name the folder of assets");
    const file = await binding.fetch(`https://assets.local${path}`);
    if (file.status !== 200) {
      await file.body?.cancel();
      return null;
    }
    const headers = new Headers();
    for (const name of COPIED_HEADERS) {
      const value = file.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    if (!isMatch(headers.get("etag"), ifNoneMatch)) return new Response(file.body, { headers });
    await file.body?.cancel();
    return new Response(null, { status: 304, headers });
  };
}

/** Weak comparison (RFC 9110 §13.1.2): a proxy that compresses the file makes its tag weak. The binding itself compares only a single tag. */
function isMatch(etag: string | null, ifNoneMatch = ""): boolean {
  const tags = new Set(ifNoneMatch.split(",").map((tag) => opaqueTag(tag)));
  return etag !== null && (tags.has("*") || tags.has(opaqueTag(etag)));
}

function opaqueTag(tag: string): string {
  return tag.trim().replace(/^W\//, "");
}
