// Lenient readers of JSON from clients. They return undefined for a value of another type and never throw.

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

export const asObject = (value: Json | undefined): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;

export const asArray = (value: Json | undefined): Json[] | undefined => (Array.isArray(value) ? value : undefined);

export const asObjects = (value: Json | undefined): JsonObject[] =>
  (asArray(value) ?? []).filter((entry) => asObject(entry) !== undefined) as JsonObject[];

export const asText = (value: Json | undefined): string | undefined => (typeof value === "string" ? value : undefined);

export const asNumber = (value: Json | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;

export const without = (object: JsonObject, key: string): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));

/** A number that JavaScript can't hold is kept as it was written. TypeScript's library does not have these functions of JSON yet. */
const EXACT = JSON as unknown as {
  rawJSON: (text: string) => Json;
  parse: (raw: string, reviver: (key: string, value: Json, context: { source?: string }) => Json) => Json;
};

/** As parseJson, but JSON.stringify writes integers beyond 2^53 as they came. The readers in this file don't accept those as numbers. */
export function parseExactJson(raw: string): Json | undefined {
  try {
    return EXACT.parse(raw, (_key, value, { source }) =>
      Number.isInteger(value) && !Number.isSafeInteger(value) && source !== undefined ? EXACT.rawJSON(source) : value,
    );
  } catch {
    return undefined;
  }
}

export function parseJson(raw: string): Json | undefined {
  try {
    return JSON.parse(raw) as Json;
  } catch {
    return undefined;
  }
}
