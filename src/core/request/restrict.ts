// Restricts a request: a restricted caller may set only the fields that the table of request fields, its grant and its preset allow
// (docs/contract.md §5). The error for any other field names that field. The result is an Ask that `compose` may trust.
import { IDENTITY_FIELDS, MAX_METADATA_KEYS, REQUEST_FIELDS, UPSTREAM_FIELDS } from "../../contract/request-fields.ts";
import { type Ask, type ResponsesRequest } from "../../contract/ask.ts";
import { DEFAULTS } from "../../contract/response.ts";
import { OUTPUT_TOKENS } from "../callers/budget.ts";
import type { Config, Preset } from "../config/define-config.ts";
import { isRecord, type JsonObject, canonicalJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { startOf } from "../lib/text.ts";
import type { CacheControl } from "./headers.ts";
import { parseAsk } from "./read-ask.ts";
import { restrictImages, restrictInput } from "./restrict-input.ts";
import type { Grant } from "../callers/caller.ts";

/** The smallest cap on a body whose preset permits images. */
const IMAGES_BODY_BYTES = 3 * 1_048_576;
/** The keys of a tool that a caller may define. None of them is an address or a credential, because the caller runs the function. */
const FUNCTION_KEYS: ReadonlySet<string> = new Set(["type", "name", "description", "parameters", "strict"]);

/** The cap in bytes for a body before it is read. Its preset is unknown then, so the largest cap of all granted presets applies. */
export function restrictedBodyBytes(grant: Grant, config: Config): number {
  const images = grant.presets.some((name) => config.presets[name]?.images !== false);
  return images ? Math.max(IMAGES_BODY_BYTES, config.limits.max_body_bytes) : config.limits.max_body_bytes;
}

export interface RestrictedAsk {
  /** The request with its preset named, its input restricted, and the preset's metadata and token limit applied. */
  ask: Ask;
  /** The caller's own metadata, which the answer returns. It includes the keys that the preset overrides in `ask`. */
  metadata: Record<string, string> | undefined;
}

/**
 * Restricts a request to /ask, or the question of a hook.
 * @param bytes the size of the body
 * @throws Problem 400 for a field, preset or value that is not allowed, 413
 */
export function restrictAsk(ask: Ask, bytes: number, grant: Grant, config: Config): RestrictedAsk {
  const [name, preset] = grantedPreset(ask.preset, grant, config, "preset");
  assertBytes(bytes, preset, config);
  for (const field of Object.keys(ask)) if (!isFieldAllowed(field, preset)) throw refusedField(field);
  if (typeof ask.cache === "number") throw refusedField("cache", '`cache` must be false or "refresh" for this caller.');
  return applyPreset({ ...ask, preset: name }, preset, grant, config);
}

/**
 * Restricts a request to /v1/responses, where `model` names the preset. SDKs also send fields that their users did not set. So a field
 * that is not allowed is ignored if it is null, an empty list, or the value that applies anyway.
 * @param bytes the size of the body
 * @throws Problem 400 for a field, preset or value that is not allowed, 413
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
    if (isResponsesField(field) && isFieldAllowed(field, preset)) fields[field] = value;
    else if (!isNoOp(field, value, preset, config)) throw refusedField(field);
  }
  return applyPreset(parseAsk(fields), preset, grant, config);
}

/**
 * Removes `max-age`, because the deployer decides how long an answer is stored. Callers may use `no-store` and `no-cache`, which only
 * reduce caching.
 */
export function restrictCacheControl(control: CacheControl): CacheControl {
  return { ...control, maxAge: undefined };
}

function applyPreset(ask: Ask, preset: Preset, grant: Grant, config: Config): RestrictedAsk {
  const hidden = preset.metadata ?? config.defaults.metadata ?? {};
  const metadata = { ...ask.metadata, ...hidden };
  if (Object.keys(ask.metadata ?? {}).length > MAX_METADATA_KEYS) {
    throw new Problem("invalid_request", `\`metadata\` may have at most ${MAX_METADATA_KEYS} keys here.`, {
      param: "metadata",
    });
  }
  if (ask.tools !== undefined) assertFunctions(ask.tools);
  const restricted: Ask = {
    ...ask,
    input: restrictInput(ask.input, preset.images),
    ...(ask.images === undefined ? {} : { images: restrictImages(ask.images, preset.images) }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    max_output_tokens: maxOutputTokens(ask.max_output_tokens, preset, grant, config),
  };
  return { ask: restricted, metadata: ask.metadata };
}

/** Finds the preset of a request. @throws Problem 400; a preset that is not granted and one that does not exist get the same error */
function grantedPreset(
  name: string | undefined,
  grant: Grant,
  config: Config,
  param: "preset" | "model",
): [string, Preset] {
  const only = grant.presets.length === 1 ? grant.presets[0] : undefined;
  const requested = name ?? only;
  const names = grant.presets.map((granted) => JSON.stringify(granted)).join(", ");
  if (requested === undefined)
    throw new Problem("invalid_request", `\`${param}\` is missing. Set it to one of your presets: ${names}.`, {
      param,
    });
  const preset =
    grant.presets.includes(requested) && Object.hasOwn(config.presets, requested)
      ? config.presets[requested]
      : undefined;
  if (preset !== undefined) return [requested, preset];
  if (param === "model") {
    throw new Problem(
      "model_not_allowed",
      `This caller may not use this model. Set \`model\` to one of your presets: ${names}.`,
      { param },
    );
  }
  throw new Problem("invalid_request", `There is no such preset for this caller. Use one of: ${names}.`, { param });
}

/** Whether a restricted caller may set this field with this preset. */
function isFieldAllowed(field: string, preset: Preset): boolean {
  const row = REQUEST_FIELDS.get(field);
  switch (row?.restricted) {
    case "always":
      return true;
    case "allow":
      return isInAllowList(row.allowedAs ?? field, preset);
    case "images":
      return preset.images !== false;
    default:
      return false;
  }
}

function isInAllowList(field: string, preset: Preset): boolean {
  return (preset.allow as readonly string[]).includes(field);
}

/** Whether /v1/responses has the field. It has all upstream fields, but only some of the Worker's own. */
function isResponsesField(field: string): boolean {
  return Object.hasOwn(UPSTREAM_FIELDS, field) || REQUEST_FIELDS.get(field)?.responses !== undefined;
}

/**
 * Computes the `max_output_tokens` of the request. The preset's value is a ceiling, unless its `allow` lists the field. The limits of the
 * config and of the session token are always ceilings.
 */
function maxOutputTokens(requested: number | undefined, preset: Preset, grant: Grant, config: Config): number {
  const { limits, defaults } = config;
  const ceiling = isInAllowList("max_output_tokens", preset)
    ? (limits.max_output_tokens ?? Math.max(OUTPUT_TOKENS, preset.max_output_tokens ?? 0))
    : (preset.max_output_tokens ?? limits.max_output_tokens ?? defaults.max_output_tokens ?? OUTPUT_TOKENS);
  const tokens = requested ?? preset.max_output_tokens ?? defaults.max_output_tokens ?? ceiling;
  return Math.min(tokens, ceiling, limits.max_output_tokens ?? Infinity, grant.maxOutputTokens ?? Infinity);
}

/** Whether a field that is not allowed can be ignored: it is an empty list, or has the value that applies anyway. */
function isNoOp(field: string, value: unknown, preset: Preset, config: Config): boolean {
  if (Array.isArray(value) && value.length === 0) return true;
  if (IDENTITY_FIELDS.has(field)) return false;
  const composed = Object.hasOwn(UPSTREAM_FIELDS, field)
    ? ((preset as JsonObject)[field] ?? (config.defaults as JsonObject)[field])
    : undefined;
  const effective = composed ?? (Object.hasOwn(DEFAULTS, field) ? DEFAULTS[field] : undefined);
  if (field === "service_tier" && composed === undefined && value === "auto") return true;
  return effective !== undefined && canonicalJson({ [field]: value }) === canonicalJson({ [field]: effective });
}

function assertFunctions(tools: readonly JsonObject[]): void {
  for (const [at, tool] of tools.entries()) {
    if (tool["type"] !== "function")
      throw refusedField(`tools[${at}].type`, "This caller may use only tools of type `function`.");
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
  message = `\`${param}\` is not allowed for this caller. Remove it, or use a server key.`,
): Problem {
  return new Problem("unknown_parameter", message, { param: startOf(param, 120) });
}
