// GET /v1/models: a few ordinary names, then the whole menu with a description of each entry.
import type { JsonObject } from "./json.ts";
import { menuModels } from "./menu.ts";

const CREATED = 1_763_827_200;
/** Each with its `shutdown_date`, as OpenAI writes it (YYYY-MM-DD, or null); relays leave the field out for other providers. */
const ORDINARY_MODELS: readonly JsonObject[] = [
  { id: "gpt-6-luna", shutdown_date: null },
  { id: "gpt-6-sol", shutdown_date: null },
  { id: "gpt-6.1-sol", shutdown_date: null },
  { id: "gpt-5.6-terra", shutdown_date: null },
  { id: "gpt-5.5", shutdown_date: null },
  { id: "gpt-4.1", shutdown_date: "2027-01-14" },
  { id: "claude-sonnet-4-5" },
  { id: "deepseek-v4-flash" },
  { id: "gemini-3.5-flash-lite" },
];

export function modelList(): JsonObject {
  const entry = { object: "model", created: CREATED, owned_by: "emulator" };
  return {
    object: "list",
    data: [
      ...ORDINARY_MODELS.map((model) => ({ ...model, ...entry })),
      // one-hub returns null for models whose owner it does not know.
      ...menuModels().map(({ id, description }) => ({ id, ...entry, owned_by: null, description })),
    ],
  };
}
