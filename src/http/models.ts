// GET /v1/models: what may stand in `model`: upstream's models, those of them that the config allows, and the presets' names (for a locked caller only those).
// And where other OpenAI addresses lead.
import { Hono } from "hono";
import { type JsonObject, partsOf } from "../core/lib/json.ts";
import { methodNotAllowed, Problem } from "../core/lib/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { admit } from "../gate/admit.ts";
import type { ModelList } from "../contract/models.ts";

export const modelsRoutes = new Hono<AppEnv>()
  .get("/v1/models", async (c) => {
    const { deps, logFields } = c.var;
    const { grant } = await admit(deps, c.req.raw, { logFields, waitUntil: (work) => c.executionCtx.waitUntil(work) });
    const presets = (grant?.presets ?? Object.keys(deps.config.presets)).map((id) => ({
      id,
      object: "model",
      created: 0,
      owned_by: "preset",
    }));
    // Of upstream's models a locked caller may name none.
    if (grant !== undefined)
      return c.json({ object: "list", data: presets } satisfies ModelList, 200, { "cache-control": "no-store" });
    const allowed = deps.config.models;
    const listed = partsOf((await deps.upstream.models(c.req.raw.signal))["data"]);
    const models = listed.filter(isModel).filter(({ id }) => allowed === undefined || allowed.includes(id));
    return c.json({ object: "list", data: [...presets, ...models] } satisfies ModelList, 200, {
      "cache-control": "no-store",
    });
  })
  .all("/v1/models", () => {
    throw methodNotAllowed("GET, HEAD");
  })
  .all("/v1/chat/completions", () => {
    throw new Problem(
      "not_found",
      "Chat Completions are not served here. Use POST /v1/responses (in the OpenAI SDK: client.responses.create), or POST /ask.",
    );
  });

function isModel(model: JsonObject): model is ModelList["data"][number] {
  return typeof model["id"] === "string";
}
