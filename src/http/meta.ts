// GET /health: whether this Worker could answer. Asks nothing of the outside: a probe every second must cost nothing.
import { Hono } from "hono";
import { methodNotAllowed } from "../core/lib/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { assertCallers } from "../gate/identify.ts";
import type { Health } from "../contract/health.ts";

export const metaRoutes = new Hono<AppEnv>()
  .get("/health", (c) => {
    const { deps } = c.var;
    assertCallers(deps);
    return c.json({ status: deps.paused ? "paused" : "ok" } satisfies Health, 200, { "cache-control": "no-store" });
  })
  .all("/health", () => {
    throw methodNotAllowed("GET, HEAD");
  });
