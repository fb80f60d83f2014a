// Canonical JSON of a request body: the same text whatever the order of its keys. Cache keys and fingerprints are digests of it.
import { type JsonObject, isRecord } from "./json.ts";

/**
 * Sorts keys at every depth, except inside `parameters` of tools and `schema` of `text`: there the order of keys is part of what the
 * model reads.
 */
export function canonicalJson(body: JsonObject): string {
  const out: JsonObject = {};
  for (const key of Object.keys(body).toSorted()) {
    out[key] = sortKeys(body[key], key === "tools" ? "parameters" : key === "text" ? "schema" : undefined);
  }
  return JSON.stringify(out);
}

/** @param verbatim the key whose value stays as it is */
function sortKeys(value: unknown, verbatim: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((element) => sortKeys(element, verbatim));
  if (!isRecord(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value).toSorted())
    out[key] = key === verbatim ? value[key] : sortKeys(value[key], verbatim);
  return out;
}
