// Hono's environment: the bindings, and what the first middleware puts beside every request.
import type { Deps } from "./deps.ts";
import type { LogFields } from "./platform/log.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    deps: Deps;
    requestId: string;
    /** Headers that every answer has. */
    common: Record<string, string>;
    /** The answer that was made with them: nothing has to be set afterwards. */
    dressed: Response | undefined;
    logFields: LogFields;
    /** Writes the request's log line, once. A live stream calls it at its end; else the first middleware does. */
    finish: () => void;
    /** The answer is a stream that is still to come: its log line too. */
    live: boolean;
  };
}
