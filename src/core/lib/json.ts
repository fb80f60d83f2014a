// Handles JSON from outside: parses it strictly, limits its depth, and reads values of unknown shape.
import { Problem } from "./problem.ts";

/** No reasonable request or schema is deeper. A limit is needed because V8's JSON.stringify recurses. */
export const MAX_JSON_DEPTH = 32;

export type JsonObject = Record<string, unknown>;

/** Fetches a JSON object from another server. Resolves to null unless a 200 with a JSON object arrives in time. */
export type FetchJson = (url: string, init?: RequestInit) => Promise<JsonObject | null>;

export function isRecord(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the value if it is an object, else an empty object. */
export function objectOf(value: unknown): JsonObject {
  return isRecord(value) ? value : {};
}

/** Returns the value if it is a string, else an empty string. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Returns the objects in a list, or an empty list if the value is not a list. */
export function recordsOf(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

/** Parses JSON. @returns undefined if the string is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Parses the JSON object in a decoded body.
 * @param objectHint appended to "The body must be a JSON object"
 * @param syntaxHint appended to "Check quotes, commas and brackets"
 * @throws Problem 400: invalid_json, invalid_request, input_too_deep
 */
export function parseJsonObject(text: string, objectHint: string, syntaxHint = ""): JsonObject {
  const value = parseJson(text);
  if (value === undefined) {
    throw new Problem("invalid_json", `The body is not valid JSON. Check quotes, commas and brackets${syntaxHint}.`);
  }
  if (!isRecord(value)) throw new Problem("invalid_request", `The body must be a JSON object${objectHint}.`);
  assertSafeJson(value);
  return value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** @throws Problem invalid_request if the bytes are not UTF-8, because replacement characters would change the question */
export function decodeUtf8(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Problem("invalid_request", "The body is not well-formed UTF-8. Send it encoded as UTF-8.");
  }
}

/** Whether a value is nested at most `max` levels deep. Does not recurse. */
export function isWithinDepth(root: unknown, max: number): boolean {
  let level: object[] = typeof root === "object" && root !== null ? [root] : [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > max) return false;
    level = level.flatMap((node) =>
      Object.values(node).filter((value): value is object => typeof value === "object" && value !== null),
    );
  }
  return true;
}

/**
 * Checks the depth and the keys of parsed JSON. Does not recurse.
 * @throws Problem input_too_deep, or invalid_request for a `__proto__` key at any depth
 */
export function assertSafeJson(root: unknown): void {
  let level: object[] = typeof root === "object" && root !== null ? [root] : [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > MAX_JSON_DEPTH) {
      throw new Problem("input_too_deep", `The JSON body is nested deeper than ${MAX_JSON_DEPTH} levels. Flatten it.`);
    }
    const next: object[] = [];
    for (const node of level) {
      if (Object.hasOwn(node, "__proto__"))
        throw new Problem("invalid_request", "The key `__proto__` is not allowed in a request. Remove it.", {
          param: "__proto__",
        });
      for (const value of Array.isArray(node) ? node : Object.values(node)) {
        if (typeof value === "object" && value !== null) next.push(value as object);
      }
    }
    level = next;
  }
}

/**
 * Serializes a request body independently of the order of its properties, for cache keys and fingerprints. Sorts keys at every depth,
 * except inside the `parameters` of tools and the `schema` of `text`, because the model reads those keys in their order.
 */
export function canonicalJson(body: JsonObject): string {
  const out: JsonObject = {};
  for (const key of Object.keys(body).toSorted()) {
    out[key] = sortKeys(body[key], key === "tools" ? "parameters" : key === "text" ? "schema" : undefined);
  }
  return JSON.stringify(out);
}

/** @param verbatim the key whose value is not sorted */
function sortKeys(value: unknown, verbatim: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((element) => sortKeys(element, verbatim));
  if (!isRecord(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value).toSorted())
    out[key] = key === verbatim ? value[key] : sortKeys(value[key], verbatim);
  return out;
}
