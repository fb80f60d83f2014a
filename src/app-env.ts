// Hono's environment: the bindings, and the variables that the middlewares (http/middleware.ts) set for every request.
import type { Deps, RequestContext } from "./deps.ts";
import type { Log, LogFields } from "./platform/log.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    deps: Deps;
    /** `req_` and 24 hex digits: `x-request-id`, `error.request_id` and the log line's `request_id`. */
    requestId: string;
    log: Log;
    /** The fields of the request's log line, which every step adds to. */
    logFields: LogFields;
    waitUntil: RequestContext["waitUntil"];
    /** For a streamed response: resolves when the stream has ended. The request's log line is written then. */
    streamEnd: Promise<void> | undefined;
  };
}
