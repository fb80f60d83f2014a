// GET / and /console/{file}: the console page. Always on under ENVIRONMENT=local; elsewhere only where the config says `console: true`,
// and else there is nothing at these addresses. The files are the same for everybody: what the page shows, it asks the API for.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { methodNotAllowed, routeNotFound } from "../core/lib/problem.ts";
import { PAGE_POLICY, pageFile } from "./respond/page-file.ts";

const OF_THE_PAGE = {
  // What a model says reaches the page as text: not even a mistake could make markup of it.
  "content-security-policy": `${PAGE_POLICY}; require-trusted-types-for 'script'; trusted-types 'none'`,
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

export const consoleRoutes = new Hono<AppEnv>()
  .get("/", (c) => file(c, c.var.deps.local ? "local.html" : "console.html"))
  .get("/console/:file", (c) => file(c, c.req.param("file")))
  .all("/", (c) => {
    throw isOn(c) ? methodNotAllowed("GET, HEAD") : routeNotFound();
  });

const isOn = (c: Context<AppEnv>): boolean => c.var.deps.local || c.var.deps.config.console;

async function file(c: Context<AppEnv>, name: string): Promise<Response> {
  if (!isOn(c)) throw routeNotFound();
  return await pageFile(c, `/console/${name}`, OF_THE_PAGE);
}
