// JSON of unknown origin: strict parsing with bounded depth, and the few questions that every reader of it asks.
import { Problem } from "./problem.ts";

/** Deeper than any sane request or schema; V8's own stringify recurses. */
export const MAX_JSON_DEPTH = 32;

export type JsonObject = Record<string, unknown>;

/** Asks somebody else's server. Null for whatever is not a 200 with a JSON object in time. */
export type JsonFrom = (url: string, init?: RequestInit) => Promise<JsonObject | null>;

export function isRecord(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object, or an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isRecord(value) ? value : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The objects in a list; nothing where there is no list. */
export function partsOf(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

/** The value, or undefined where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** @throws Problem invalid_request for bytes that are no UTF-8: replaced characters would change what is asked. */
export function decodeUtf8(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Problem("invalid_request", "The body is not well-formed UTF-8. Send it encoded as UTF-8.");
  }
}

/** Whether a value is nested at most so deep; walks without recursion. */
export function depthWithin(root: unknown, max: number): boolean {
  let level: object[] = typeof root === "object" && root !== null ? [root] : [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > max) return false;
    level = level.flatMap((node) =>
      Object.values(node).filter((value): value is object => typeof value === "object" && value !== null),
    );
  }
  return true;
}

/** Walks without recursion. @throws Problem input_too_deep, or invalid_request for a `__proto__` key at any depth. */
export function assertSafe(root: unknown): void {
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
