// The files that are deployed beside the bundle (dist/assets, made by scripts/assets.ts). A file is fetched without the caller's headers:
// If-None-Match only decides between 200 and 304. The response has only COPIED_HEADERS of the file's headers.
import { misconfigured } from "../core/config/setting.ts";

/**
 * Fetches a deployed file. Resolves to an empty 304 if `ifNoneMatch` matches the file's ETag, and to null if there is no such file or the
 * binding fails.
 * @param ifNoneMatch the caller's `If-None-Match`
 * @throws Problem 503 misconfigured if ASSETS is not bound
 */
export type FetchAsset = (path: string, ifNoneMatch: string | undefined) => Promise<Response | null>;

/** The part of the binding that is used. */
export interface AssetsBinding {
  fetch: (url: string) => Promise<Response>;
}

const COPIED_HEADERS = ["content-type", "etag", "cache-control"];

export function createAssetFetcher(binding: AssetsBinding | undefined): FetchAsset {
  return async function fetchAsset(path, ifNoneMatch) {
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
    if (!etagMatches(headers.get("etag"), ifNoneMatch)) return new Response(file.body, { headers });
    await file.body?.cancel();
    return new Response(null, { status: 304, headers });
  };
}

/**
 * Compares weakly (RFC 9110 §13.1.2), because a proxy that compresses the file makes the file's tag weak. The binding itself would compare
 * only a single tag.
 */
function etagMatches(etag: string | null, ifNoneMatch = ""): boolean {
  const tags = new Set(ifNoneMatch.split(",").map((tag) => opaqueTag(tag)));
  return etag !== null && (tags.has("*") || tags.has(opaqueTag(etag)));
}

function opaqueTag(tag: string): string {
  return tag.trim().replace(/^W\//, "");
}
