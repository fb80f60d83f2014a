// Joins runs. Each pair of owner and Idempotency-Key has one Durable Object. A request without a key does not use this module.
import { type JoinRequest, type JoinResult, type RunMethods, runUnreachable } from "../core/request/run.ts";
import { misconfigured } from "../core/config/setting.ts";
import { within } from "./io/within.ts";

/** How long the object may take to reply to a join. The stream of the recording may take longer. */
const JOIN_TIMEOUT_MS = 10_000;

export interface Runs {
  /**
   * Joins a run, or starts it.
   * @param name the digest of owner and key
   * @throws Problem unavailable, misconfigured
   */
  join: (name: string, request: JoinRequest) => Promise<JoinResult>;
}

/** The part of the binding RUNS that is used (src/durable/run.ts). */
export interface RunsBinding {
  getByName: (name: string) => RunMethods;
}

export function createRuns(binding: RunsBinding | undefined, warn: (event: string, error?: unknown) => void): Runs {
  return {
    async join(name, request) {
      if (binding === undefined)
        throw misconfigured("RUNS", "is not bound: wrangler.toml must name the Durable Object");
      let joining: Promise<JoinResult> | undefined;
      try {
        // Gets a new stub for each call, because a stub that has failed remains broken.
        joining = binding.getByName(name).join(request);
        return await within(JOIN_TIMEOUT_MS, joining);
      } catch (error) {
        // Nobody would read the stream of a late reply, so cancel it.
        joining?.then(
          async (joined) => {
            if ("stream" in joined) await joined.stream.cancel();
          },
          () => undefined,
        );
        warn("run_unreachable", error);
        throw runUnreachable();
      }
    },
  };
}
