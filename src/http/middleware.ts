// The middlewares that every request passes; app.ts gives their order. They know nothing about individual routes.
import type { Context, Hono, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { AppEnv } from "../app-env.ts";
import type { Config } from "../core/config/define-config.ts";
import { isLoopbackHost } from "../core/lib/url-rules.ts";
import { toProblem, Problem } from "../core/lib/problem.ts";
import type { Deps } from "../deps.ts";
import { corsHeaders, isPreflight, originNotAllowed, preflightHeaders } from "../gate/cors.ts";
import type { Log, LogFields } from "../platform/log.ts";
import { errorResponse } from "./respond/response.ts";

/** The path under which Hono registers a middleware for every request. */
const ANY_PATH = "/*";

const METHODS = ["GET", "POST", "DELETE"];

/**
 * Gives every request an id and one log line.
 *
 * Guarantees: every response has `x-request-id` and `x-content-type-options`, and every request writes exactly one line. The line is
 * written when the response is ready or, for a streamed response, when the stream has ended. A caller's `x-request-id` is ignored.
 *
 * @param app the app, whose router knows the name of the request's route
 * @example
 * // A middleware of your own. Register it with app.use() in app.ts, after requestLog. Fields that it adds to logFields are logged.
 * const region: MiddlewareHandler<AppEnv> = async (c, next) => {
 *   await next();
 *   c.res.headers.set("x-region", String(c.req.raw.cf?.colo));
 * };
 */
export function requestLog(
  app: Hono<AppEnv>,
  { logOf, now, random }: { logOf: (env: Env) => Log; now: () => number; random: (bytes: number) => string },
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = now();
    const log = logOf(c.env);
    const requestId = `req_${random(12)}`;
    const logFields: LogFields = { request_id: requestId, route: `${c.req.method} ${routeName(app, c)}` };
    c.set("requestId", requestId);
    c.set("log", log);
    c.set("logFields", logFields);
    c.set("waitUntil", (work) => c.executionCtx.waitUntil(work));

    await next();

    c.res.headers.set("x-request-id", requestId);
    c.res.headers.set("x-content-type-options", "nosniff");
    logFields.status = c.res.status;
    logFields.first_ms = now() - startedAt;
    const write = (): void => {
      logFields.total_ms = now() - startedAt;
      log.request(logFields);
    };
    const streamEnd = c.get("streamEnd");
    if (streamEnd === undefined) write();
    else void streamEnd.then(write);
  };
}

/**
 * Returns the route as it is registered, such as `/ask/{id}`. The path itself is never logged, since a caller can put anything into it. For
 * a 405 or a preflight, the result is the route of another method.
 */
function routeName(app: Hono<AppEnv>, c: Context<AppEnv>): string {
  let path = routePath(c, -1);
  if (path === ANY_PATH) {
    const matches = METHODS.map((method) => app.router.match(method, c.req.path)[0].at(-1)?.[0][1].path);
    path = matches.find((match) => match !== undefined && match !== ANY_PATH) ?? ANY_PATH;
  }
  // A parameter may have a pattern in braces, as in `:id{.+}`.
  return path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, "{$1}");
}

/**
 * Applies the CORS rules of gate/cors.ts.
 *
 * Guarantees: a page of an allowed origin can read every response, errors included, and its preflights succeed. A preflight of any other
 * page gets 403. A response that already allows `*` stays unchanged, because it is the same for all origins.
 */
export function cors(config: Config, isLocal: (env: Env) => boolean): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const request = c.req.raw;
    const headers = corsHeaders(request, { config, local: isLocal(c.env) });
    if (!isPreflight(request)) await next();
    else if ("access-control-allow-origin" in headers)
      c.res = new Response(null, { status: 204, headers: preflightHeaders(request) });
    else c.res = errorResponse(c, originNotAllowed());
    if (c.res.headers.get("access-control-allow-origin") === "*") return;
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  };
}

/** Hono passes only instances of Error to `onError`. Guarantees: any other thrown value becomes a Problem and reaches `onError`, too. */
export const wrapThrownValues: MiddlewareHandler<AppEnv> = async (c, next) => {
  try {
    await next();
  } catch (thrown) {
    throw toProblem(thrown, c.get("logFields").upstream_called);
  }
};

/**
 * Provides `c.var.deps`.
 *
 * Guarantees: a route runs only if all settings are complete and valid. Otherwise every request gets 503 `misconfigured`. Under
 * ENVIRONMENT=local, where no credential is needed, only requests to a loopback host reach a route.
 */
export function provideDeps(depsOf: (env: Env) => Promise<Deps>): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const deps = await depsOf(c.env);
    if (deps.local && !isLoopbackHost(new URL(c.req.url).hostname)) {
      throw new Problem(
        "misconfigured",
        "ENVIRONMENT=local works on localhost only. Deploy with ENVIRONMENT=production.",
        { reason: "local on a public host" },
      );
    }
    c.set("deps", deps);
    await next();
  };
}
