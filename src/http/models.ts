// GET /v1/models lists the values that `model` may have: the names of presets and, for server callers, the names of those upstream models
// that the config allows. GET /v1/models/{id} returns one of them.
import { type Context, Hono } from "hono";
import { type JsonObject, recordsOf } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { admit } from "../gate/admit.ts";
import type { Model, ModelList } from "../contract/models.ts";
import { json } from "./respond/response.ts";

export const modelsRoutes = new Hono<AppEnv>()
  .get("/models", async (c) => json(c, { object: "list", data: await readModels(c) } satisfies ModelList))
  // A name may contain slashes, whether or not the client encodes them.
  .get("/models/:id{.+}", async (c) => {
    const id = c.req.param("id");
    const model = (await readModels(c)).find((listed) => listed.id === id);
    if (model !== undefined) return json(c, model satisfies Model);
    throw new Problem(
      "model_not_found",
      "There is no model with this name for this caller. GET /v1/models lists them.",
      {
        param: "model",
      },
    );
  });

/** Reads the models that the caller may name. */
async function readModels(c: Context<AppEnv>): Promise<Model[]> {
  const { deps } = c.var;
  const { grant } = await admit(deps, c.req.raw, c.var);
  const presets = (grant?.presets ?? Object.keys(deps.config.presets)).map((id) => ({
    id,
    object: "model",
    created: 0,
    owned_by: "preset",
  }));
  // A restricted caller may not name upstream models.
  if (grant !== undefined) return presets;
  const allowed = deps.config.models;
  const listed = recordsOf((await deps.upstream.models(c.req.raw.signal))["data"]);
  deps.warnOfShutdowns(listed);
  return [...presets, ...listed.filter(isModel).filter(({ id }) => allowed === undefined || allowed.includes(id))];
}

function isModel(model: JsonObject): model is Model {
  return typeof model["id"] === "string";
}
