// The Hono app: which middlewares run for every request, in which order, and which module serves which path.
import { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { getPath } from "hono/utils/url";
import type { AppEnv } from "./app-env.ts";
import type { Config } from "./core/config/define-config.ts";
import { unsupportedMethod } from "./core/lib/problem.ts";
import { askRoutes } from "./http/ask.ts";
import { clientRoutes } from "./http/client.ts";
import { consoleRoutes } from "./http/console.ts";
import { docsRoutes } from "./http/docs.ts";
import { healthRoutes } from "./http/health.ts";
import { hooksRoutes } from "./http/hooks.ts";
import { jobsRoutes } from "./http/jobs.ts";
import { cors, provideDeps, requestLog, wrapThrownValues } from "./http/middleware.ts";
import { modelsRoutes } from "./http/models.ts";
import { errorResponse } from "./http/respond/response.ts";
import { responsesRoutes } from "./http/responses.ts";
import { sessionsRoutes } from "./http/sessions.ts";
import { respondUnserved } from "./http/unserved.ts";
import { usageRoutes } from "./http/usage.ts";
import { createWire, now, randomHex } from "./wire.ts";

/** @param wire the wire that the isolate's Durable Objects and Workflows share. Default: a new one */
export function createApp(config: Config, wire = createWire(config)): Hono<AppEnv> {
  const app = new Hono<AppEnv>({ getPath: pathOf });

  app.use(requestLog(app, { logOf: wire.log, now, random: randomHex }));
  // Runs before any middleware that can fail, so that a page can read why its request failed.
  app.use(cors(config, wire.isLocal));
  app.use(wrapThrownValues);
  app.use(provideDeps(wire.deps));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => errorResponse(c, unsupportedMethod(methods)),
    }),
  );

  app.route("/ask", askRoutes);
  app.route("/v1/responses", responsesRoutes);
  // For OpenAI SDKs whose baseURL does not end in /v1.
  app.route("/responses", responsesRoutes);
  app.route("/v1", modelsRoutes);
  app.route("/sessions", sessionsRoutes);
  app.route("/usage", usageRoutes);
  app.route("/hooks", hooksRoutes);
  app.route("/jobs", jobsRoutes);
  app.route("/client.js", clientRoutes);
  app.route("/health", healthRoutes);
  app.route("/", docsRoutes);
  app.route("/", consoleRoutes);

  app.notFound(respondUnserved);
  app.onError((error, c) => errorResponse(c, error));
  return app;
}

/**
 * Returns the path by which a request finds its route: without a trailing slash, and with single slashes, since clients join addresses
 * carelessly. Everything that depends on a route sees this path: middlewares, CORS, log line and console.
 */
function pathOf(request: Request): string {
  const path = getPath(request);
  if (!path.endsWith("/") && !path.includes("//")) return path;
  const segments = path.split("/").filter((segment) => segment !== "");
  return `/${segments.join("/")}`;
}
