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

export function parseJson(raw: string): Json | undefined {
  try {
    return JSON.parse(raw) as Json;
  } catch {
    return undefined;
  }
}
