// The files that are deployed beside the bundle (dist/assets, made by scripts/assets.ts). Headers are built from nothing in both
// directions: what a caller sends decides no more than whether a file is sent again.
import { misconfigured } from "../core/config/setting.ts";

/** Null for a file that is not there. `known`: the caller's `If-None-Match`. @throws Problem misconfigured */
export type Assets = (path: string, known: string | undefined) => Promise<Response | null>;

/** The part of the binding that is used. */
export interface AssetsBinding {
  fetch: (url: string, init: { headers: Record<string, string> }) => Promise<Response>;
}

const PASSED = ["content-type", "etag", "cache-control"];

export function boundAssets(binding: AssetsBinding | undefined): Assets {
  return async function asset(path, known) {
    if (binding === undefined)
      throw misconfigured("ASSETS", "is not bound: wrangler.toml must name the folder of assets");
    const got = await binding.fetch(`https://assets.local${path}`, {
      headers: known === undefined ? {} : { "if-none-match": known },
    });
    if (got.status !== 200 && got.status !== 304) {
      await got.body?.cancel();
      return null;
    }
    const headers = new Headers();
    for (const name of PASSED) {
      const value = got.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    return new Response(got.body, { status: got.status, headers });
  };
}
