// A Worker whose only callers are restricted: they send a publishable key, and their presets contain settings that they must not see.
import type { ConfigInput } from "../../src/core/config/define-config.ts";
import { as, startWorker, type WorkerUnderTest } from "./worker.ts";

export const PK = "pk_canary_0123456789abcdef";
export const PK_BOTH = "pk_both_0123456789abcdefg";
export const PK_IMAGES = "pk_images_0123456789abcdef";
/** In the presets. No restricted caller may ever see one of them. */
export const HIDDEN = ["hidden-prompt-walrus", "hidden-tool-narwhal", "hidden-tag-ibex", "hidden-schema-okapi"];
const [PROMPT = "", TOOL = "", TAG = "", SCHEMA = ""] = HIDDEN;

export const PRESETS: NonNullable<ConfigInput["presets"]> = {
  support: {
    instructions: PROMPT,
    model: "gpt-6-luna",
    max_output_tokens: 300,
    temperature: 0.5,
    tools: [{ type: "function", name: "look_up", description: TOOL, parameters: {}, strict: false }],
    metadata: { team: TAG },
    text: { format: { type: "json_schema", name: "x", schema: { description: SCHEMA, type: "object" } } },
    allow: ["top_p"],
  },
  other: { instructions: "other", allow: ["temperature", "tools", "max_output_tokens", "reasoning", "instructions"] },
  secret: { instructions: "not granted to anybody" },
  /** Its answers can be cached, since it has no tools. */
  cached: { instructions: PROMPT, metadata: { team: TAG }, text: { verbosity: SCHEMA }, max_output_tokens: 300 },
  pictures: { images: { hosts: ["img.example.com"] } },
};

export function startRestricted(config: ConfigInput = {}, settings: Record<string, unknown> = {}): WorkerUnderTest {
  const merged: ConfigInput = {
    presets: PRESETS,
    callers: {
      publishable: [
        { id: "site", key: PK, presets: ["support"] },
        { id: "both", key: PK_BOTH, presets: ["support", "other"] },
        { id: "images", key: PK_IMAGES, presets: ["pictures"] },
      ],
    },
    ...config,
  };
  return startWorker(merged, settings);
}

export const pk = as(PK);

export const respond = (worker: WorkerUnderTest, body: unknown, headers = pk): Promise<Response> =>
  worker.send("/v1/responses", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
