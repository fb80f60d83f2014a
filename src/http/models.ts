// GET /v1/models lists the values that `model` may have: the names of presets and, for server callers, the names of those upstream models
// that the config allows. This file also refuses Chat Completions.
import { Hono } from "hono";
import { type JsonObject, recordsOf } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { admit } from "../gate/admit.ts";
import type { ModelList } from "../contract/models.ts";
import { json } from "./respond/response.ts";

export const modelsRoutes = new Hono<AppEnv>()
  .get("/models", async (c) => {
    const { deps } = c.var;
    const { grant } = await admit(deps, c.req.raw, c.var);
    const presets = (grant?.presets ?? Object.keys(deps.config.presets)).map((id) => ({
      id,
      object: "model",
      created: 0,
      owned_by: "preset",
    }));
    // A restricted caller may not name upstream models.
    if (grant !== undefined) return json(c, { object: "list", data: presets } satisfies ModelList);
    const allowed = deps.config.models;
    const listed = recordsOf((await deps.upstream.models(c.req.raw.signal))["data"]);
    deps.warnOfShutdowns(listed);
    const models = listed.filter(isModel).filter(({ id }) => allowed === undefined || allowed.includes(id));
    return json(c, { object: "list", data: [...presets, ...models] } satisfies ModelList);
  })
  .all("/chat/completions", () => {
    throw new Problem(
      "not_found",
      "This Worker does not support Chat Completions. Use POST /v1/responses (in the OpenAI SDK: client.responses.create), or POST /ask.",
    );
  });

function isModel(model: JsonObject): model is ModelList["data"][number] {
  return typeof model["id"] === "string";
}
