// The order in which a request passes, the routes, and the one door through which every error leaves.
import { type Context, Hono } from "hono";
import type { Config } from "./core/config/define-config.ts";
import { asProblem, routeNotFound, Problem } from "./core/lib/problem.ts";
import type { AppEnv } from "./app-env.ts";
import { isLoopbackHost } from "./core/lib/loopback.ts";
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
import type { LogFields } from "./platform/log.ts";
import { createWire, now, randomHex } from "./wire.ts";

type Answer = (c: Context<AppEnv>) => Response | Promise<Response>;

/** What an address of this machine mostly looks like; any other is taken apart. */
const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1)(?::\d+)?\//;

/** What a request has for whatever fits no route. */
const ANY_PATH = "/*";

export function createApp(config: Config, wire = createWire(config)): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const refusals = new Hono<AppEnv>();

  /** Around every answer, in this order: its line of the log, the headers of all answers, the one door of errors, CORS, and what it may use. */
  function passed(pattern: string, answer: Answer): Answer {
    const route = routeOf(pattern);
    return async function account(c) {
      const log = wire.log(c.env);
      const startedAt = now();
      const logFields: LogFields = { request_id: `req_${randomHex(12)}`, route: `${c.req.method} ${route}` };
      let answered = false;
      let finished = false;
      function write(): void {
        logFields.total_ms = now() - startedAt;
        log.request(logFields);
      }
      const own = { "x-request-id": logFields.request_id, "x-content-type-options": "nosniff" };
      c.set("common", own);
      c.set("requestId", logFields.request_id);
      c.set("logFields", logFields);
      c.set("live", false);
      // A stream that has all it will say may end before its own head is made: the line waits for both.
      c.set("finish", () => {
        if (finished) return;
        finished = true;
        if (answered) write();
      });
      const response = await shared(c, answer, own);
      logFields.status = response.status;
      logFields.first_ms = now() - startedAt;
      answered = true;
      if (finished || !c.get("live")) write();
      return response;
    };
  }

  /** Before anything that can fail: a page must be able to read why it got nothing. */
  async function shared(c: Context<AppEnv>, answer: Answer, own: Record<string, string>): Promise<Response> {
    let cors: Record<string, string> = {};
    let response: Response;
    try {
      const request = c.req.raw;
      cors = corsHeaders(request, { config, local: wire.local(c.env) });
      c.set("common", { ...cors, ...own });
      if (isPreflight(request)) {
        if (!("access-control-allow-origin" in cors)) throw originRefused();
        response = new Response(null, { status: 204, headers: preflightHeaders(request) });
      } else {
        await connect(c);
        response = await answer(c);
      }
    } catch (error) {
      response = leave(c, error);
    }
    // It was made with them.
    if (c.get("dressed") === response) return response;
    // What every page may read is one answer for all of them.
    const isForAll = response.headers.get("access-control-allow-origin") === "*";
    for (const [name, value] of Object.entries(isForAll ? own : { ...cors, ...own })) response.headers.set(name, value);
    return response;
  }

  async function connect(c: Context<AppEnv>): Promise<void> {
    const deps = await wire.deps(c.env);
    if (deps.local && !LOOPBACK.test(c.req.url) && !isLoopbackHost(new URL(c.req.url).hostname)) {
      throw new Problem(
        "misconfigured",
        "ENVIRONMENT=local works on localhost only. Deploy with ENVIRONMENT=production.",
        {
          reason: "local on a public host",
        },
      );
    }
    c.set("deps", deps);
  }

  // Hono asks one handler for each request, and no chain of them: what refuses other methods is looked for when no route fits.
  for (const { routes } of [
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
    for (const { method, path, handler } of routes) {
      const answer = passed(path, handler as Answer);
      if (method === "ALL") refusals.all(path, answer);
      else app.on(method, path, answer);
    }
  }
  refusals.notFound(
    passed(ANY_PATH, () => {
      throw routeNotFound();
    }),
  );
  app.notFound((c) => refusals.fetch(c.req.raw, c.env, c.executionCtx));
  return app;
}

/** The one door of every error. */
function leave(c: Context<AppEnv>, error: unknown): Response {
  const logFields = c.get("logFields");
  const requestId = c.get("requestId");
  const problem = asProblem(error, logFields.asked);
  logFields.code = problem.code;
  logFields.reason = problem.details.reason;
  return Response.json(problem.body(requestId), {
    status: problem.status,
    headers: { "cache-control": "no-store", ...problem.headers() },
  });
}

/** `/ask/{id}`: the route as it is written, never the path, which holds what callers put into it. */
function routeOf(pattern: string): string {
  return pattern.replaceAll(/:(\w+)/g, "{$1}");
}
