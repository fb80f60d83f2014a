// GET /v1/models: a few ordinary names, then the whole menu with what each entry does.
import type { JsonObject } from "./json.ts";
import { menuModels } from "./menu.ts";

const CREATED = 1_763_827_200;
const ORDINARY_MODELS = [
  "gpt-4.1",
  "gpt-4.1-mini",
  "gpt-4o-mini",
  "gpt-5",
  "gpt-5-mini",
  "gpt-5.5",
  "o4-mini",
  "claude-sonnet-4-5",
  "deepseek-chat",
  "gemini-2.5-flash",
];

export function modelList(): JsonObject {
  const entry = { object: "model", created: CREATED, owned_by: "emulator" };
  return {
    object: "list",
    data: [
      ...ORDINARY_MODELS.map((id) => ({ id, ...entry })),
      // one-hub has a null for models whose owner it does not know.
      ...menuModels().map(({ id, description }) => ({ id, ...entry, owned_by: null, description })),
    ],
  };
}
