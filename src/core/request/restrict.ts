// The lock on callers that are no server (contract section 5, security.md): of a request only what the grant and its preset open gets
// through, named one by one; everything else is refused by its name. What comes out is an Ask that compose may trust.
import type { Config, Preset } from "../config/define-config.ts";
import { OUTPUT_TOKENS } from "../callers/budget.ts";
import { type Grant } from "../callers/grant.ts";
import { isRecord, type JsonObject } from "../lib/json.ts";
import { restrictImages, restrictInput } from "./restrict-input.ts";
import { Problem } from "../lib/problem.ts";
import { parseAsk } from "./read-ask.ts";
import { type Ask, type ResponsesRequest, UPSTREAM_FIELDS, IDENTITY_FIELDS } from "../../contract/ask.ts";
import { canonical } from "../lib/canonical.ts";
import type { CacheControl } from "./cache-control.ts";
import { DEFAULTS } from "../../contract/response.ts";

/** Where images may come along. */
const IMAGES_BODY_BYTES = 3 * 1_048_576;
/** Fields of /ask that every locked caller has; a preset opens more. */
const FIELDS: ReadonlySet<string> = new Set([
  "input",
  "preset",
  "previous_response_id",
  "stream",
  "cache",
  "metadata",
  "max_output_tokens",
  "images",
]);
/** The same on /v1/responses, where `model` names the preset. */
const RESPONSES_FIELDS: ReadonlySet<string> = new Set([
  "input",
  "previous_response_id",
  "stream",
  "metadata",
  "max_output_tokens",
]);
/** OpenAI's limit, the preset's own included: upstream's refusal would tell how many those are. */
const MAX_METADATA_KEYS = 16;
/** What a tool of a caller's own may have: it runs at the caller's, and holds no address and no credential. */
const FUNCTION_KEYS: ReadonlySet<string> = new Set(["type", "name", "description", "parameters", "strict"]);

/** Bytes of a body before anybody knows which preset it names. */
export function restrictedBodyBytes(grant: Grant, config: Config): number {
  const images = grant.presets.some((name) => config.presets[name]?.images !== false);
  return images ? Math.max(IMAGES_BODY_BYTES, config.limits.max_body_bytes) : config.limits.max_body_bytes;
}

export interface RestrictedAsk {
  /** With the preset's name, and everything set that a preset must not leave to the caller. */
  ask: Ask;
  /** The caller's own, as it sent them: what an answer may show. That a key is the preset's too is not told by its absence. */
  metadata: Record<string, string> | undefined;
}

/** @param bytes of the body. @throws Problem 400, 413 */
export function restrictAsk(ask: Ask, bytes: number, grant: Grant, config: Config): RestrictedAsk {
  const [name, preset] = grantedPreset(ask.preset, grant, config, "preset");
  assertBytes(bytes, preset, config);
  for (const field of Object.keys(ask)) {
    const opened = field === "schema" ? "text" : field;
    if (field === "images" ? preset.images === false : !FIELDS.has(field) && !opens(preset, opened))
      throw refusedField(field);
  }
  if (typeof ask.cache === "number") throw refusedField("cache", '`cache` is false or "refresh" for this caller.');
  return applyPreset({ ...ask, preset: name }, preset, grant, config);
}

/**
 * SDKs fill in what nobody asked for: null, an empty list, and what would be used anyway are taken for nothing.
 * @throws Problem 400, 413
 */
export function restrictResponses(
  request: ResponsesRequest,
  bytes: number,
  grant: Grant,
  config: Config,
): RestrictedAsk {
  const [name, preset] = grantedPreset(request.model ?? undefined, grant, config, "model");
  assertBytes(bytes, preset, config);
  const fields: JsonObject = { preset: name };
  for (const [field, value] of Object.entries(request)) {
    if (field === "model" || value === null || value === undefined) continue;
    if (RESPONSES_FIELDS.has(field) || opens(preset, field)) fields[field] = value;
    else if (!saysNothing(field, value, preset, config)) throw refusedField(field);
  }
  return applyPreset(parseAsk(fields), preset, grant, config);
}

/** Of Cache-Control only what asks for less: how long an answer is kept is the deployer's to say. */
export function restrictCacheControl(control: CacheControl): CacheControl {
  return { ...control, maxAge: undefined };
}

function applyPreset(ask: Ask, preset: Preset, grant: Grant, config: Config): RestrictedAsk {
  const hidden = preset.metadata ?? config.defaults.metadata ?? {};
  const metadata = { ...ask.metadata, ...hidden };
  const room = MAX_METADATA_KEYS - Object.keys(hidden).length;
  if (Object.keys(ask.metadata ?? {}).length > room) {
    throw new Problem("invalid_request", `\`metadata\` may have at most ${room} keys here.`, { param: "metadata" });
  }
  if (ask.tools !== undefined) assertFunctions(ask.tools);
  const sent: Ask = {
    ...ask,
    input: restrictInput(ask.input, preset.images),
    ...(ask.images === undefined ? {} : { images: restrictImages(ask.images, preset.images) }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    max_output_tokens: outputTokens(ask.max_output_tokens, preset, grant, config),
  };
  return { ask: sent, metadata: ask.metadata };
}

/** A preset that is not granted is none: both read the same. */
function grantedPreset(
  name: string | undefined,
  grant: Grant,
  config: Config,
  param: "preset" | "model",
): [string, Preset] {
  const only = grant.presets.length === 1 ? grant.presets[0] : undefined;
  const wanted = name ?? only;
  const names = grant.presets.map((one) => JSON.stringify(one)).join(", ");
  if (wanted === undefined)
    throw new Problem("invalid_request", `Name one of your presets in \`${param}\`: ${names}.`, { param });
  const preset =
    grant.presets.includes(wanted) && Object.hasOwn(config.presets, wanted) ? config.presets[wanted] : undefined;
  if (preset !== undefined) return [wanted, preset];
  if (param === "model") {
    throw new Problem(
      "model_not_allowed",
      `The model is not one that this caller may use. Name one of your presets in \`model\`: ${names}.`,
      { param },
    );
  }
  throw new Problem("invalid_request", `There is no such preset for this caller. Name one of: ${names}.`, { param });
}

function opens(preset: Preset, field: string): boolean {
  return !IDENTITY_FIELDS.has(field) && (preset.allow as readonly string[]).includes(field);
}

/** The preset's own number is a ceiling, unless the preset lets callers choose. The config's and the token's always are. */
function outputTokens(asked: number | undefined, preset: Preset, grant: Grant, config: Config): number {
  const { limits, defaults } = config;
  const ceiling = opens(preset, "max_output_tokens")
    ? (limits.max_output_tokens ?? Math.max(OUTPUT_TOKENS, preset.max_output_tokens ?? 0))
    : (preset.max_output_tokens ?? limits.max_output_tokens ?? defaults.max_output_tokens ?? OUTPUT_TOKENS);
  const wanted = asked ?? preset.max_output_tokens ?? defaults.max_output_tokens ?? ceiling;
  return Math.min(wanted, ceiling, limits.max_output_tokens ?? Infinity, grant.maxOutputTokens ?? Infinity);
}

/** What would be asked without it. */
function saysNothing(field: string, value: unknown, preset: Preset, config: Config): boolean {
  if (Array.isArray(value) && value.length === 0) return true;
  if (IDENTITY_FIELDS.has(field)) return false;
  const known = Object.hasOwn(UPSTREAM_FIELDS, field);
  const composed = known ? ((preset as JsonObject)[field] ?? (config.defaults as JsonObject)[field]) : undefined;
  const used = composed ?? (Object.hasOwn(DEFAULTS, field) ? DEFAULTS[field] : undefined);
  if (field === "service_tier" && composed === undefined && value === "auto") return true;
  return used !== undefined && canonical({ [field]: value }) === canonical({ [field]: used });
}

function assertFunctions(tools: readonly JsonObject[]): void {
  for (const [at, tool] of tools.entries()) {
    if (tool["type"] !== "function")
      throw refusedField(`tools[${at}].type`, "Only tools of type `function` are open to this caller.");
    for (const key of Object.keys(tool)) if (!FUNCTION_KEYS.has(key)) throw refusedField(`tools[${at}].${key}`);
    if (tool["parameters"] !== undefined && tool["parameters"] !== null && !isRecord(tool["parameters"])) {
      throw new Problem("invalid_request", `\`tools[${at}].parameters\` must be an object.`, {
        param: `tools[${at}].parameters`,
      });
    }
  }
}

function assertBytes(bytes: number, preset: Preset, { limits }: Config): void {
  if (preset.images !== false || bytes <= limits.max_body_bytes) return;
  throw new Problem(
    "payload_too_large",
    `The body has ${bytes} bytes; at most ${limits.max_body_bytes} are allowed with this preset.`,
  );
}

function refusedField(
  param: string,
  message = `\`${param}\` is not open to this caller: leave it out. Server keys may send it.`,
): Problem {
  return new Problem("unknown_parameter", message, { param: param.slice(0, 120) });
}
