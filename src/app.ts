// The order in which a request passes, the routes, and the one door through which every error leaves.
import { Hono } from "hono";
import type { Config } from "./core/define-config.ts";
import { asProblem, Problem } from "./core/problem.ts";
import type { AppEnv } from "./app-env.ts";
import { isLoopbackHost } from "./gate/local.ts";
import { askRoutes } from "./http/ask.ts";
import { metaRoutes } from "./http/meta.ts";
import { modelsRoutes } from "./http/models.ts";
import { responsesRoutes } from "./http/responses.ts";
import type { LogFacts } from "./platform/log.ts";
import { createWire, now, randomHex } from "./wire.ts";

export function createApp(config: Config): Hono<AppEnv> {
  const wire = createWire(config);
  const app = new Hono<AppEnv>();

  app.use(async function account(c, next) {
    const log = wire.log(c.env);
    const startedAt = now();
    const facts: LogFacts = { request_id: `req_${randomHex(12)}`, route: `${c.req.method} ${routeOf(c.req.path)}` };
    let finished = false;
    c.set("requestId", facts.request_id);
    c.set("facts", facts);
    c.set("live", false);
    c.set("finish", () => {
      if (finished) return;
      finished = true;
      facts.total_ms = now() - startedAt;
      log.request(facts);
    });
    await next();
    c.res.headers.set("x-request-id", facts.request_id);
    c.res.headers.set("x-content-type-options", "nosniff");
    facts.status = c.res.status;
    facts.first_ms = now() - startedAt;
    if (!c.var.live) c.var.finish();
  });

  app.use(async function connect(c, next) {
    const deps = await wire.deps(c.env);
    if (deps.local && !isLoopbackHost(new URL(c.req.url).hostname)) {
      throw new Problem("misconfigured", "ENVIRONMENT=local works on localhost only. Deploy with ENVIRONMENT=production.", {
        reason: "local on a public host",
      });
    }
    c.set("deps", deps);
    await next();
  });

  app.route("/", askRoutes).route("/", responsesRoutes).route("/", modelsRoutes).route("/", metaRoutes);
  app.notFound(() => {
    throw new Problem("not_found", "There is nothing at this address. Ask with POST /ask.");
  });
  app.onError((error, c) => {
    const problem = asProblem(error);
    const { facts } = c.var;
    facts.code = problem.code;
    facts.reason = problem.details.reason;
    return c.json(problem.body(c.var.requestId), problem.status as 500, { "cache-control": "no-store", ...problem.headers() });
  });
  return app;
}

/** The path without what callers put into it. */
function routeOf(path: string): string {
  return path.replace(/^(\/ask|(?:\/v1)?\/responses)\/[^/]+/, "$1/{id}");
}
