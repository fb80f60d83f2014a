// GET /health: whether this Worker could answer. Sends no request and reads no storage, so a health check every second costs nothing.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import type { Health } from "../contract/health.ts";
import { assertCallers } from "../gate/authenticate.ts";
import { json } from "./respond/response.ts";

export const healthRoutes = new Hono<AppEnv>().get("/", (c) => {
  const deps = c.get("deps");
  assertCallers(deps);
  return json(c, { status: deps.paused ? "paused" : "ok" } satisfies Health);
});
