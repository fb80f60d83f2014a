// Data that satisfies a JSON Schema, always the same for the same schema and text. Unconstrained strings are the
// text, so that a structured answer also shows the conversation. Recursion ends as soon as the schema allows it.
import { asArray, asNumber, asObject, asText, type Json, type JsonObject, without } from "./json.ts";
import { samplePattern } from "./pattern.ts";

/** Below this depth only required properties are generated, and null or a leaf where the schema allows a choice. */
const FULL_DEPTH = 5;
/** A schema that requires itself without end has no finite data. */
const LAST_DEPTH = 40;

type Position = { root: JsonObject; text: string; depth: number; index: number };

const FORMATS: Record<string, string> = {
  date: "2026-01-02",
  "date-time": "2026-01-02T03:04:05Z",
  time: "03:04:05Z",
  duration: "P1D",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000001",
};

export function sample(schema: Json | undefined, text: string): Json {
  return make(schema, { root: asObject(schema) ?? {}, text, depth: 0, index: 0 });
}

function make(schema: Json | undefined, at: Position): Json {
  const object = asObject(schema);
  if (schema === false || at.depth > LAST_DEPTH) return null;
  if (!object) return at.text;
  const flat = flatten(object, at);
  if (flat["const"] !== undefined) return flat["const"];
  const choices = asArray(flat["enum"]);
  if (choices && choices.length > 0) return choices[at.index % choices.length] ?? null;
  switch (kindOf(flat, at)) {
    case "object":
      return makeObject(flat, at);
    case "array":
      return makeArray(flat, at);
    case "integer":
      return makeNumber(flat, at, asNumber(flat["multipleOf"]) ?? 1);
    case "number":
      return makeNumber(flat, at, asNumber(flat["multipleOf"]));
    case "boolean":
      return at.index % 2 === 0;
    case "null":
      return null;
    default:
      return makeString(flat, at);
  }
}

function kindOf(schema: JsonObject, at: Position): string {
  const type = schema["type"];
  const types = asArray(type)?.flatMap((entry) => asText(entry) ?? []);
  if (types?.includes("null") && at.depth > FULL_DEPTH) return "null";
  const named = asText(type) ?? types?.find((entry) => entry !== "null") ?? types?.[0];
  if (named !== undefined) return named;
  if (schema["properties"] || schema["required"]) return "object";
  if (schema["items"] || schema["prefixItems"] || schema["minItems"]) return "array";
  if ("minimum" in schema || "maximum" in schema || "multipleOf" in schema) return "number";
  return "string";
}

/** One schema without references, unions and intersections: the branch that the sample follows. */
function flatten(schema: JsonObject, at: Position): JsonObject {
  let flat = schema;
  for (let step = 0; step < LAST_DEPTH; step += 1) {
    const { $ref, allOf, anyOf, oneOf, ...rest } = flat;
    const branches = asArray(anyOf) ?? asArray(oneOf);
    if (typeof $ref === "string") {
      flat = merge(without(flat, "$ref"), asObject(resolvePointer(at.root, $ref)) ?? {});
    } else if (Array.isArray(allOf)) {
      flat = allOf.reduce<JsonObject>(
        (all, part) => merge(all, flatten(asObject(part) ?? {}, at)),
        without(flat, "allOf"),
      );
    } else if (branches) {
      flat = merge(rest, asObject(pick(branches, at)) ?? {});
    } else return flat;
  }
  return flat;
}

function pick(branches: Json[], at: Position): Json | undefined {
  if (at.depth <= FULL_DEPTH) return branches[0];
  const leaf = (branch: Json): boolean => {
    const schema = asObject(branch);
    return schema?.["$ref"] === undefined && schema?.["type"] !== "object";
  };
  return branches.find((branch) => asObject(branch)?.["type"] === "null") ?? branches.find(leaf) ?? branches.at(-1);
}

function resolvePointer(root: JsonObject, reference: string): Json | undefined {
  return reference
    .replace(/^#\/?/, "")
    .split("/")
    .filter((name) => name !== "")
    .map((name) => decodeURIComponent(name).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<Json | undefined>((found, name) => asArray(found)?.[Number(name)] ?? asObject(found)?.[name], root);
}

function merge(a: JsonObject, b: JsonObject): JsonObject {
  const merged: JsonObject = { ...a, ...b };
  const required = [...(asArray(a["required"]) ?? []), ...(asArray(b["required"]) ?? [])];
  if (required.length > 0) merged["required"] = [...new Set(required)];
  const [left, right] = [asObject(a["properties"]), asObject(b["properties"])];
  if (left && right) {
    merged["properties"] = { ...left, ...right };
    for (const name of Object.keys(left)) {
      const [one, other] = [asObject(left[name]), asObject(right[name])];
      if (one && other) merged["properties"][name] = merge(one, other);
    }
  }
  for (const key of ["minimum", "minLength", "minItems"]) {
    const [one, other] = [asNumber(a[key]), asNumber(b[key])];
    if (one !== undefined && other !== undefined) merged[key] = Math.max(one, other);
  }
  for (const key of ["maximum", "maxLength", "maxItems"]) {
    const [one, other] = [asNumber(a[key]), asNumber(b[key])];
    if (one !== undefined && other !== undefined) merged[key] = Math.min(one, other);
  }
  return merged;
}

function makeObject(schema: JsonObject, at: Position): JsonObject {
  const properties = asObject(schema["properties"]) ?? {};
  const required = (asArray(schema["required"]) ?? []).flatMap((name) => asText(name) ?? []);
  const optional = at.depth > FULL_DEPTH ? [] : Object.keys(properties);
  const inside = { ...at, depth: at.depth + 1, index: 0 };
  return Object.fromEntries(
    [...new Set([...optional, ...required])].map((name) => [
      name,
      make(properties[name] ?? schema["additionalProperties"] ?? true, inside),
    ]),
  );
}

function makeArray(schema: JsonObject, at: Position): Json[] {
  const prefix = asArray(schema["prefixItems"]) ?? [];
  const least = asNumber(schema["minItems"]) ?? 0;
  const preferred = at.depth > FULL_DEPTH ? least : Math.max(least, prefix.length, 1);
  const length = Math.min(preferred, asNumber(schema["maxItems"]) ?? preferred);
  return Array.from({ length }, (_, index) =>
    make(prefix[index] ?? schema["items"] ?? true, { ...at, depth: at.depth + 1, index }),
  );
}

function makeNumber(schema: JsonObject, at: Position, grid: number | undefined): number {
  const [above, below] = [asNumber(schema["exclusiveMinimum"]), asNumber(schema["exclusiveMaximum"])];
  const low = Math.max(asNumber(schema["minimum"]) ?? -Infinity, above ?? -Infinity);
  const high = Math.min(asNumber(schema["maximum"]) ?? Infinity, below ?? Infinity);
  const fits = (n: number): boolean => n >= low && n <= high && n !== above && n !== below;
  if (grid === undefined) {
    const between = low > -Infinity ? (high < Infinity ? (low + high) / 2 : low + 1) : high - 1;
    return [at.index + 1, low, between].find(fits) ?? 0;
  }
  const first = low > -Infinity ? Math.ceil(low / grid) : Math.floor(high / grid) - at.index - 1;
  return [at.index + 1, first + at.index, first + 1, first].map((n) => n * grid).find(fits) ?? first * grid;
}

function makeString(schema: JsonObject, at: Position): string {
  const min = asNumber(schema["minLength"]) ?? 0;
  const max = asNumber(schema["maxLength"]) ?? Infinity;
  const pattern = asText(schema["pattern"]);
  const patterned = pattern === undefined ? undefined : samplePattern(pattern, min, max);
  const formatted = FORMATS[asText(schema["format"]) ?? ""];
  if (patterned ?? formatted) return patterned ?? formatted ?? "";
  const text = at.index > 0 ? `${at.index + 1}: ${at.text}` : at.text;
  const padded = [...text].length < min ? text + ".".repeat(min - [...text].length) : text;
  return padded.length > max ? padded.slice(0, max).replace(/[\uD800-\uDBFF]$/, "") : padded;
}
