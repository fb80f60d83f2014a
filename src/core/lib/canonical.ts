// One text per request body, whatever the order of its keys: what cache keys and fingerprints are digests of.
import { type JsonObject, isRecord } from "./json.ts";

export function canonical(body: JsonObject): string {
  const out: JsonObject = {};
  for (const key of Object.keys(body).toSorted()) {
    out[key] = sorted(body[key], key === "tools" ? "parameters" : key === "text" ? "schema" : undefined);
  }
  return JSON.stringify(out);
}

export function sorted(value: unknown, verbatim: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((element) => sorted(element, verbatim));
  if (!isRecord(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value).toSorted())
    out[key] = key === verbatim ? value[key] : sorted(value[key], verbatim);
  return out;
}
