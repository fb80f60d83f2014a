// Hono's environment: the bindings, and the variables that the middlewares (http/middleware.ts) set for every request.
import type { Deps, RequestContext } from "./deps.ts";
import type { Log, LogFields } from "./platform/log.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    deps: Deps;
    /** `req_` and 24 hex digits. Callers see it as `x-request-id` and `error.request_id`; the log line has it as `request_id`. */
    requestId: string;
    log: Log;
    /** The fields of the request's log line. Every step of a request can add fields. */
    logFields: LogFields;
    waitUntil: RequestContext["waitUntil"];
    /** Resolves when a streamed response has ended. The request's log line is written at that time. */
    streamEnd: Promise<void> | undefined;
  };
}
