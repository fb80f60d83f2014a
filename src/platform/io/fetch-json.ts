// Fetches a small JSON document from a third party's server, within a deadline and a size limit. Follows no redirect.
import { readToEnd } from "../../core/lib/body.ts";
import { decodeUtf8, isRecord, type FetchJson, type JsonObject, parseJson } from "../../core/lib/json.ts";
import { Problem } from "../../core/lib/problem.ts";
import { within } from "./within.ts";

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 262_144;

/**
 * Returns a function that fetches a JSON object. It resolves to null for any failure, and for any response other than 200 with an object.
 */
export function createJsonFetcher(fetcher: typeof fetch): FetchJson {
  return async (url, init = {}) => {
    const controller = new AbortController();
    try {
      return await within(TIMEOUT_MS, load(fetcher, url, { ...init, signal: controller.signal }));
    } catch {
      controller.abort();
      return null;
    }
  };
}

async function load(fetcher: typeof fetch, url: string, init: RequestInit): Promise<JsonObject | null> {
  const headers = { accept: "application/json", "user-agent": "uniapi-edge" };
  const response = await fetcher(url, { ...init, redirect: "manual", headers });
  if (response.status !== 200 || response.body === null) {
    response.body?.cancel().catch(() => undefined);
    return null;
  }
  const bytes = await readToEnd(
    response.body,
    MAX_BYTES,
    // The abort signal ends a read that takes too long.
    (read) => read,
    () => new Problem("unavailable", "too large"),
  );
  const value = parseJson(decodeUtf8(bytes));
  return isRecord(value) ? value : null;
}
