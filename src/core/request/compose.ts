// Composes the upstream body from a request, its preset and the defaults. The request overrides the preset, the preset overrides the
// defaults, and caps always apply. The body does not yet have the caller's identity, the parent and `stream`, because the key of the
// exact-repeat cache is a hash of the body without them.
import { type Ask, type ResponsesRequest, UpstreamFields } from "../../contract/ask.ts";
import type { Config, Preset } from "../config/define-config.ts";
import { isRecord, type JsonObject } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";

export interface Composed {
  /** The upstream body, without `stream` and `previous_response_id`. Its `model` is the first of `models`. */
  body: JsonObject & { model: string };
  /** The models in the order in which they are tried. The next one is tried if upstream has no such model or no channel for it. */
  models: readonly string[];
  /** The paths of the settings that name `models`; empty if the request names the model. */
  modelSettings: readonly string[];
  preset: { name: string; settings: Preset } | undefined;
  /** Whether the request asks for JSON. Then the answer has `data`, which is its text, parsed. */
  wantsData: boolean;
}

const FIELD_NAMES = Object.keys(UpstreamFields.shape) as (keyof UpstreamFields)[];

/**
 * Composes a request to /ask or /jobs.
 * @param ask the request of a server caller, or one that `restrictAsk` or `restrictResponses` returned
 * @throws Problem 400, 413
 */
export function compose(ask: Ask, config: Config): Composed {
  const preset = presetOf(ask, config);
  const settings: Partial<Preset> = preset?.settings ?? {};
  const body: JsonObject = {};
  for (const name of FIELD_NAMES) {
    const value = ask[name] ?? settings[name] ?? config.defaults[name];
    if (value !== undefined) body[name] = value;
  }
  if (typeof body["reasoning"] === "string") body["reasoning"] = { effort: body["reasoning"] };
  if (ask.schema !== undefined) body["text"] = withSchema(body["text"], ask);
  const cap = config.limits.max_output_tokens;
  if (cap !== undefined)
    body["max_output_tokens"] = Math.min(cap, (body["max_output_tokens"] as number | undefined) ?? cap);

  const model = modelOf(body["model"]);
  if (ask.model !== undefined) assertListed(ask.model, config);
  const input = withImages(ask.input, ask.images ?? []);
  assertInputSize(input, config.limits.max_input_chars);
  return {
    body: { ...body, model, input },
    models: [model, ...(ask.model === undefined ? (settings.fallback ?? []) : [])],
    modelSettings: ask.model === undefined ? modelSettingsOf(preset, config) : [],
    preset,
    wantsData: hasJsonFormat(body),
  };
}

/**
 * Composes a server caller's request to /v1/responses. Adds the default model if the request has none. If `model` names a preset, adds the
 * preset's fields and the defaults for all fields that the request does not set. The limits for server callers apply.
 * @throws Problem 400, 413
 */
export function composeResponses(request: ResponsesRequest, config: Config): Composed {
  const { stream: _, previous_response_id: __, ...fields } = request;
  const requested = request.model ?? undefined;
  const settings =
    requested !== undefined && Object.hasOwn(config.presets, requested) ? config.presets[requested] : undefined;
  const body: JsonObject = { ...fields };
  if (settings !== undefined) {
    for (const name of FIELD_NAMES)
      body[name] = (name === "model" ? undefined : fields[name]) ?? settings[name] ?? config.defaults[name];
    for (const name of FIELD_NAMES) if (body[name] === undefined) delete body[name];
  }
  const limits = config.limits.server;
  if (limits?.max_output_tokens !== undefined) {
    const tokens = body["max_output_tokens"];
    body["max_output_tokens"] = Math.min(limits.max_output_tokens, typeof tokens === "number" ? tokens : Infinity);
  }
  const model = modelOf(settings === undefined ? (requested ?? config.defaults.model) : settings.model);
  if (settings === undefined && requested !== undefined) assertListed(requested, config);
  assertInputSize(body["input"], limits?.max_input_chars);
  const preset = settings === undefined || requested === undefined ? undefined : { name: requested, settings };
  return {
    body: { ...body, model },
    models: [model, ...(settings?.fallback ?? [])],
    modelSettings: preset === undefined && requested !== undefined ? [] : modelSettingsOf(preset, config),
    preset,
    wantsData: hasJsonFormat(body),
  };
}

function modelSettingsOf(preset: Composed["preset"], config: Config): string[] {
  // A preset that does not set a model has the default model.
  const isDefault = preset === undefined || preset.settings.model === config.defaults.model;
  const settings = [isDefault ? "defaults.model" : `presets.${preset.name}.model`];
  if (preset !== undefined && preset.settings.fallback.length > 0) settings.push(`presets.${preset.name}.fallback`);
  return settings;
}

function modelOf(model: unknown): string {
  if (typeof model === "string") return model;
  throw new Problem(
    "invalid_request",
    "The request has no model. Set `model` in the request, in the preset or in `defaults` of src/config.ts.",
    {
      param: "model",
    },
  );
}

function assertListed(model: string, config: Config): void {
  if (config.models === undefined || config.models.includes(model)) return;
  throw new Problem(
    "model_not_allowed",
    `The model is not on this Worker's list. Use one of: ${config.models.join(", ")}.`,
    {
      param: "model",
    },
  );
}

function hasJsonFormat(body: JsonObject): boolean {
  const format = isRecord(body["text"]) ? body["text"]["format"] : undefined;
  return isRecord(format) && typeof format["type"] === "string" && format["type"].startsWith("json");
}

function presetOf(ask: Ask, config: Config): Composed["preset"] {
  if (ask.preset === undefined) return undefined;
  const settings = Object.hasOwn(config.presets, ask.preset) ? config.presets[ask.preset] : undefined;
  if (settings === undefined) {
    throw new Problem(
      "invalid_request",
      "There is no such preset for this caller. Check the name, or leave `preset` out.",
      {
        param: "preset",
      },
    );
  }
  return { name: ask.preset, settings };
}

/** Converts `schema` to a strict json_schema format, and preserves other keys of `text`, such as `verbosity`. */
function withSchema(text: unknown, ask: Ask): JsonObject {
  if (isRecord(ask.text?.format)) {
    throw new Problem(
      "invalid_request",
      "`schema` and `text.format` both set the format of the answer. Send only one of them.",
      {
        param: "schema",
      },
    );
  }
  const title = ask.schema?.["title"];
  const name = typeof title === "string" && /^[\w-]{1,64}$/.test(title) ? title : "answer";
  return { ...(isRecord(text) ? text : {}), format: { type: "json_schema", name, schema: ask.schema, strict: true } };
}

/** Appends images to an input that is a string, or to the last message if it is the user's. */
function withImages(input: Ask["input"], images: readonly string[]): Ask["input"] {
  if (images.length === 0) return input;
  const parts = images.map((url, index) => {
    if (!/^(?:https?:\/\/|data:image\/)/i.test(url)) {
      throw new Problem("invalid_request", "An image must be an http(s) URL or a data: URL.", {
        param: `images[${index}]`,
      });
    }
    return { type: "input_image", image_url: url };
  });
  const items = typeof input === "string" ? [{ role: "user", content: input }] : input;
  const last = items.at(-1);
  if (last === undefined || last["role"] !== "user") {
    throw new Problem(
      "invalid_request",
      "`images` needs an `input` that is a string, or a list whose last message is the user's. Otherwise put the images in the message as input_image parts.",
      { param: "images" },
    );
  }
  const content =
    typeof last["content"] === "string"
      ? [{ type: "input_text", text: last["content"] }]
      : Array.isArray(last["content"])
        ? last["content"]
        : [];
  return [...items.slice(0, -1), { ...last, content: [...content, ...parts] }];
}

/** Keys whose values are data or addresses. Only the cap on the bytes of the body counts these, not the cap on characters. */
const NOT_TEXT = new Set(["image_url", "file_data", "file_url", "encrypted_content", "id", "type", "role"]);

function assertInputSize(input: unknown, max: number | undefined): void {
  if (max === undefined) return;
  const length = typeof input === "string" ? input.length : charsOf(input);
  if (length <= max) return;
  throw new Problem(
    "payload_too_large",
    `The input has ${length} characters; at most ${max} are allowed. Shorten it, or continue an earlier answer by its id.`,
    { param: "input" },
  );
}

function charsOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  let sum = 0;
  for (const [key, child] of Object.entries(value)) if (!NOT_TEXT.has(key)) sum += charsOf(child);
  return sum;
}
