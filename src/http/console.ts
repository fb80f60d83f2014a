// GET / and /console/{file}: the console page. It is always on under ENVIRONMENT=local, elsewhere only with `console: true` in the config.
// If the console is off, these addresses do not exist. The files are the same for everybody, because the page gets its data from the API.
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { AppEnv } from "../app-env.ts";
import { routeNotFound } from "../core/lib/problem.ts";
import { assetResponse, PAGE_POLICY } from "./respond/asset.ts";

const PAGE_HEADERS = {
  // Trusted Types: the page inserts a model's output as text only, and even a mistake in the page could not turn it into markup.
  "content-security-policy": `${PAGE_POLICY}; require-trusted-types-for 'script'; trusted-types 'none'`,
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** If the console is off, a request with any method gets the 404 of an unknown address. */
const requireConsole: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { local, config } = c.get("deps");
  if (!local && !config.console) throw routeNotFound();
  await next();
};

export const consoleRoutes = new Hono<AppEnv>()
  .use("/", requireConsole)
  .use("/console/:file", requireConsole)
  .get("/", (c) => fileResponse(c, c.get("deps").local ? "local.html" : "console.html"))
  .get("/console/:file", (c) => fileResponse(c, c.req.param("file")));

function fileResponse(c: Context<AppEnv>, name: string): Promise<Response> {
  return assetResponse(c, `/console/${name}`, PAGE_HEADERS);
}
