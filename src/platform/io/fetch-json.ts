// A small JSON document from somebody else's server: asked once, held to a deadline and a size, redirects not followed.
import { collect } from "../../core/lib/body.ts";
import { decodeUtf8, isRecord, type JsonFrom, type JsonObject, parseJson } from "../../core/lib/json.ts";
import { Problem } from "../../core/lib/problem.ts";

const DEADLINE_MS = 5_000;
const MAX_BYTES = 262_144;

export function fetchJson(fetcher: typeof fetch): JsonFrom {
  return (url, init = {}) => get(fetcher, url, init);
}

async function get(fetcher: typeof fetch, url: string, init: RequestInit): Promise<JsonObject | null> {
  const late = new AbortController();
  const gone = new Promise<never>((_, reject) => {
    late.signal.addEventListener("abort", () => reject(new Error("late")), { once: true });
  });
  gone.catch(() => undefined);
  const timer = setTimeout(() => late.abort(), DEADLINE_MS);
  try {
    const headers = { accept: "application/json", "user-agent": "uniapi-edge" };
    const asked = fetcher(url, { ...init, redirect: "manual", signal: late.signal, headers });
    const response = await Promise.race([asked, gone]);
    if (response.status !== 200 || response.body === null) {
      response.body?.cancel().catch(() => undefined);
      return null;
    }
    const bytes = await collect(
      response.body,
      MAX_BYTES,
      (read) => Promise.race([read, gone]),
      () => new Problem("unavailable", "too large"),
    );
    const value = parseJson(decodeUtf8(bytes));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
