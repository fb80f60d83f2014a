// Reads the request fields that a response object echoes, in the shapes that the Open Responses specification requires. Relays omit them,
// send null or a wrong type, or use the Chat Completions API's nesting. Unless noted otherwise, a reader returns undefined for a value
// without content.
import type { DefaultedFields } from "../../contract/response.ts";
import { isRecord, type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { jsonTextOf } from "../upstream/output.ts";

/** The fields that are added to a response before it is stored, so that GET returns them as POST did. A turn has its own `metadata`. */
const STORED = [
  "max_output_tokens",
  "max_tool_calls",
  "parallel_tool_calls",
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "top_logprobs",
  "reasoning",
  "service_tier",
  "store",
  "truncation",
  "tool_choice",
  "tools",
  "text",
  "user",
  "safety_identifier",
  "prompt_cache_key",
] as const satisfies (keyof DefaultedFields)[];
/** A larger value is not stored. A turn that is too large loses its input, which is worth more. */
const MAX_STORED_CHARS = 16_384;

/** Adds the request's fields that upstream did not echo. @returns the response itself if it lacks none */
export function withRequestFields(response: JsonObject, request: JsonObject): JsonObject {
  const missing = STORED.filter(
    (key) => hasContent(request[key]) && !hasContent(response[key]) && isSmall(request[key]),
  );
  if (missing.length === 0) return response;
  return { ...response, ...Object.fromEntries(missing.map((key) => [key, request[key]])) };
}

function hasContent(value: unknown): boolean {
  if (typeof value !== "object") return value !== undefined && value !== "";
  return value !== null && Object.keys(value).length > 0;
}

function isSmall(value: unknown): boolean {
  return typeof value !== "object" || JSON.stringify(value).length <= MAX_STORED_CHARS;
}

export function booleanOf(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function integerOf(value: unknown): number | undefined {
  return Number.isInteger(value) ? (value as number) : undefined;
}

/** Reads the name of a value, such as `"auto"`. */
export function nameOf(value: unknown): string | undefined {
  return textOf(value) || undefined;
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Reads a list of tools. An empty list has no content, since relays that echo nothing send one. */
export function toolsOf(value: unknown): JsonObject[] | undefined {
  const tools = recordsOf(value);
  return tools.length === 0 ? undefined : tools.map(completeTool);
}

/** Adds the keys that a function tool lacks. Null means that the request did not set them. */
function completeTool(tool: JsonObject): JsonObject {
  if (tool["type"] === "namespace" && Array.isArray(tool["tools"]))
    return { ...tool, tools: recordsOf(tool["tools"]).map(completeTool) };
  if (tool["type"] !== "function") return tool;
  const flat = flatten(tool, "function");
  return {
    ...flat,
    name: textOf(flat["name"]),
    description: stringOf(flat["description"]) ?? null,
    parameters: isRecord(flat["parameters"]) ? flat["parameters"] : null,
    strict: booleanOf(flat["strict"]) ?? null,
  };
}

/** Moves the keys of a nested object up, as the Responses API has them: `{ type, function: { name } }` becomes `{ type, name }`. */
function flatten(value: JsonObject, key: string): JsonObject {
  if (!isRecord(value[key])) return value;
  const { [key]: nested, ...others } = value;
  return { ...(nested as JsonObject), ...others };
}

export function toolChoiceOf(value: unknown): string | JsonObject | undefined {
  if (typeof value === "string") return nameOf(value);
  if (!isRecord(value) || typeof value["type"] !== "string") return undefined;
  if (value["type"] === "function") return flatten(value, "function");
  if (value["type"] !== "allowed_tools") return value;
  const choice = flatten(value, "allowed_tools");
  return { ...choice, mode: nameOf(choice["mode"]) ?? "auto", tools: recordsOf(choice["tools"]) };
}

/** Reads metadata. Its values are strings; an empty object has no content. */
export function metadataOf(value: unknown): JsonObject | undefined {
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value);
  if (entries.length === 0) return undefined;
  if (entries.every(([, text]) => typeof text === "string")) return value;
  return Object.fromEntries(entries.map(([key, text]) => [key, jsonTextOf(text)]));
}

/** Reads `reasoning`. Each key that upstream does not echo has the request's value, or null. @returns null if neither has `reasoning` */
export function reasoningOf(echoed: unknown, requested: unknown): JsonObject | null {
  const [first, second] = [echoed, requested].filter(isRecord);
  if (first === undefined) return null;
  const valueOf = (key: string): string | null => nameOf(first[key]) ?? nameOf(second?.[key]) ?? null;
  return { ...first, effort: valueOf("effort"), summary: valueOf("summary") };
}

const PLAIN_TEXT = { type: "text" };

/** Reads `text`. It always has a format: the one that upstream echoes, or else the request's, or else plain text. */
export function textOptionsOf(echoed: unknown, requested: unknown): JsonObject {
  const own = isRecord(requested) ? requested : undefined;
  const options = isRecord(echoed) ? echoed : (own ?? {});
  const format = formatOf(options["format"]) ?? formatOf(own?.["format"]) ?? PLAIN_TEXT;
  const { verbosity, ...others } = options;
  const level = nameOf(verbosity) ?? nameOf(own?.["verbosity"]);
  return { ...others, format, ...(level === undefined ? {} : { verbosity: level }) };
}

function formatOf(value: unknown): JsonObject | undefined {
  if (!isRecord(value) || typeof value["type"] !== "string") return undefined;
  if (value["type"] !== "json_schema") return value;
  const flat = flatten(value, "json_schema");
  return {
    ...flat,
    name: textOf(flat["name"]),
    description: stringOf(flat["description"]) ?? null,
    schema: isRecord(flat["schema"]) ? flat["schema"] : null,
    strict: booleanOf(flat["strict"]) ?? false,
  };
}
