// The order in which a request passes, the routes, and the one door through which every error leaves.
import { type Context, Hono } from "hono";
import { routePath } from "hono/route";
import type { Config } from "./core/define-config.ts";
import { asProblem, Problem } from "./core/problem.ts";
import type { AppEnv } from "./app-env.ts";
import { isLoopbackHost } from "./core/loopback.ts";
import { corsHeaders, isPreflight, originRefused, preflightHeaders } from "./gate/cors.ts";
import { askRoutes } from "./http/ask.ts";
import { clientRoutes } from "./http/client.ts";
import { consoleRoutes } from "./http/console.ts";
import { docsRoutes } from "./http/docs.ts";
import { hooksRoutes } from "./http/hooks.ts";
import { jobsRoutes } from "./http/jobs.ts";
import { metaRoutes } from "./http/meta.ts";
import { modelsRoutes } from "./http/models.ts";
import { responsesRoutes } from "./http/responses.ts";
import { sessionsRoutes } from "./http/sessions.ts";
import { usageRoutes } from "./http/usage.ts";
import type { LogFacts } from "./platform/log.ts";
import { createWire, now, randomHex } from "./wire.ts";

export function createApp(config: Config, wire = createWire(config)): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.use(async function account(c, next) {
    const log = wire.log(c.env);
    const startedAt = now();
    const facts: LogFacts = { request_id: `req_${randomHex(12)}`, route: c.req.method };
    let answered = false;
    let finished = false;
    c.set("requestId", facts.request_id);
    c.set("facts", facts);
    c.set("live", false);
    // A stream that has all it will say may end before its own head is made: the line waits for both.
    c.set("finish", () => {
      if (finished) return;
      finished = true;
      if (answered) write();
    });
    function write(): void {
      facts.total_ms = now() - startedAt;
      log.request(facts);
    }
    await next();
    const { headers } = c.res;
    headers.set("x-request-id", facts.request_id);
    headers.set("x-content-type-options", "nosniff");
    facts.route += ` ${routeOf(routePath(c, -1))}`;
    facts.status = c.res.status;
    facts.first_ms = now() - startedAt;
    answered = true;
    if (finished || !c.get("live")) write();
  });

  // Before anything that can fail: a page must be able to read why it got nothing.
  app.use(async function cors(c, next) {
    const request = c.req.raw;
    const headers = corsHeaders(request, { config, local: wire.local(c.env) });
    if (isPreflight(request)) {
      if (!("access-control-allow-origin" in headers)) throw originRefused({ vary: "Origin" });
      return new Response(null, { status: 204, headers: { ...headers, ...preflightHeaders(request) } });
    }
    await next();
    // What every page may read is one answer for all of them.
    const own = c.res.headers;
    if (own.get("access-control-allow-origin") === "*") return undefined;
    for (const [name, value] of Object.entries(headers)) own.set(name, value);
    return undefined;
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

  for (const routes of [
    askRoutes,
    responsesRoutes,
    modelsRoutes,
    sessionsRoutes,
    usageRoutes,
    hooksRoutes,
    jobsRoutes,
    clientRoutes,
    metaRoutes,
    docsRoutes,
    consoleRoutes,
  ]) {
    app.route("/", routes);
  }
  app.notFound((c) =>
    leave(
      c,
      new Problem(
        "not_found",
        "There is nothing at this address. Ask with POST /ask, or with an OpenAI SDK by POST /v1/responses; /docs has every route.",
      ),
    ),
  );
  app.onError((error, c) => leave(c, error));
  return app;
}

/** The one door of every error. */
function leave(c: Context<AppEnv>, error: unknown): Response {
  const { facts, requestId } = c.var;
  const problem = asProblem(error, facts.asked);
  facts.code = problem.code;
  facts.reason = problem.details.reason;
  return Response.json(problem.body(requestId), { status: problem.status, headers: { "cache-control": "no-store", ...problem.headers() } });
}

/** `/ask/{id}`: the route as it is written, never the path, which holds what callers put into it. */
function routeOf(pattern: string): string {
  return pattern.replaceAll(/:(\w+)/g, "{$1}");
}
