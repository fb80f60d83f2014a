// Handles JSON from outside: parses it strictly, bounds its depth and size, preserves large integers, and reads values of unknown shape.
import { Problem } from "./problem.ts";

/** No reasonable request or schema is deeper. A limit is needed because V8's JSON.stringify recurses. */
export const MAX_JSON_DEPTH = 128;

/** How many values a JSON body may have. Schemas, Maps and Sets process a body only after its values were counted. */
export interface JsonLimits {
  /** All keys of all objects and all elements of all lists. */
  values: number;
  /** The keys of the outermost object. */
  fields: number;
}

export const JSON_LIMITS = {
  /** For restricted callers, and for every caller's HTML forms. */
  restricted: { values: 5_000, fields: 64 },
  /** For the events of hooks, which have more fields than our own requests. */
  hook: { values: 20_000, fields: 20_000 },
  server: { values: 100_000, fields: 100_000 },
} as const satisfies Record<string, JsonLimits>;

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

/**
 * Parses JSON, with a BigInt for each integer beyond 2^53. Use this function for values that callers or upstream sent.
 * @returns undefined if the string is not JSON
 */
export function parseJson(text: string): unknown {
  const value = parseRoundedJson(text);
  return value === undefined ? undefined : restoreIntegers(value, text);
}

/** Parses JSON, and rounds integers beyond 2^53. @returns undefined if the string is not JSON */
export function parseRoundedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Matches where an integer beyond 2^53 may begin, but neither a fraction's digits, which follow a point, nor a string's first digit. */
const MAYBE_LARGE_INTEGER = /(?:^|[[:,\s-])[1-9]\d{15}/;

/** The parts of "JSON.parse source text access" (ECMAScript 2026), which TypeScript's library does not have yet. */
const json = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/**
 * Returns parsed JSON in which integers beyond 2^53 are exact. A reviver is slow, so only a text that may have such an integer is parsed
 * again, and the caller can check the size of `value` first.
 *
 * By default, the integers become BigInts. Unlike objects of JSON.rawJSON, BigInts survive the structured clone of an RPC, and no code
 * takes them for records.
 * @param value the result of parseRoundedJson
 * @param convert what an integer beyond 2^53 becomes
 */
export function restoreIntegers(
  value: unknown,
  text: string,
  convert: (digits: string) => bigint | string = BigInt,
): unknown {
  if (!MAYBE_LARGE_INTEGER.test(text)) return value;
  try {
    return json.parse(text, (_key, leaf, { source }) => {
      if (typeof leaf !== "number" || Number.isSafeInteger(leaf) || !Number.isFinite(leaf)) return leaf;
      return source !== undefined && /^-?\d+$/.test(source) ? convert(source) : leaf;
    });
  } catch {
    // A reviver recurses, so a value that is nested too deep overflows the stack. Such a value can't be serialized either.
    return value;
  }
}

// Lets JSON.stringify write the digits of a BigInt, wherever a body, a record or a recording is serialized.
// eslint-disable-next-line no-extend-native -- the standard leaves this method to programs, and JSON.stringify throws without it
Object.defineProperty(BigInt.prototype, "toJSON", {
  value(this: bigint): unknown {
    return json.rawJSON(this.toString());
  },
  configurable: true,
  writable: true,
});

/**
 * Parses the JSON object in a decoded body.
 * @param objectHint appended to "The body must be a JSON object"
 * @param syntaxHint appended to "Check quotes, commas and brackets"
 * @throws Problem 400: invalid_json, invalid_request, input_too_deep, too_many_values
 */
export function parseJsonObject(text: string, limits: JsonLimits, objectHint: string, syntaxHint = ""): JsonObject {
  const value = parseRoundedJson(text);
  if (value === undefined) {
    throw new Problem("invalid_json", `The body is not valid JSON. Check quotes, commas and brackets${syntaxHint}.`);
  }
  if (!isRecord(value)) throw new Problem("invalid_request", `The body must be a JSON object${objectHint}.`);
  assertSafeJson(value, limits);
  return restoreIntegers(value, text) as JsonObject;
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
 * Checks the depth, the size, the keys and the numbers of parsed JSON in one walk. Does not recurse.
 * @throws Problem 400: input_too_deep, too_many_values; invalid_request for a `__proto__` key at any depth and for a number beyond 1.8e308
 */
export function assertSafeJson(root: unknown, limits: JsonLimits): void {
  let level: object[] = typeof root === "object" && root !== null ? [root] : [];
  let count = 0;
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
      const values: unknown[] = Array.isArray(node) ? node : Object.values(node);
      count += values.length;
      if (depth === 1 && !Array.isArray(node) && count > limits.fields) throw tooManyFields(limits.fields);
      if (count > limits.values) throw tooManyValues(limits.values);
      for (const value of values) {
        if (typeof value === "object" && value !== null) next.push(value);
        else if (value === Infinity || value === -Infinity) throw infiniteNumber();
      }
    }
    level = next;
  }
}

export function tooManyFields(max: number): Problem {
  return new Problem("too_many_values", `The body has more than ${max} fields. Send only the fields that you set.`);
}

function tooManyValues(max: number): Problem {
  return new Problem(
    "too_many_values",
    `The body has more than ${max} keys and list elements in total. Shorten its lists, or continue an earlier answer by its id.`,
  );
}

/** JSON.parse reads such a number as Infinity, which JSON.stringify would write as null. */
function infiniteNumber(): Problem {
  return new Problem("invalid_request", "A number in the body is larger than 1.8e308. Send it as a string.");
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
