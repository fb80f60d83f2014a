// Flights as the path uses them: one object per owner and key, asked only by requests that bring an Idempotency-Key.
import { runUnreachable, type JoinResult, type JoinRequest } from "../core/request/idempotency.ts";
import { Problem } from "../core/lib/problem.ts";

/** Until the object says who flies; the answer itself may take its time. */
const JOIN_TIMEOUT_MS = 10_000;

export interface Runs {
  /** @param name digest of owner and key. @throws Problem unavailable, misconfigured */
  join: (name: string, order: JoinRequest) => Promise<JoinResult>;
}

/** One object's method (objects/flight.ts), as RPC gives it. */
interface RunStub {
  join: (order: JoinRequest) => Promise<JoinResult>;
}

export interface RunsBinding {
  getByName: (name: string) => RunStub;
}

export function durableRuns(binding: RunsBinding | undefined, warn: (event: string, error?: unknown) => void): Runs {
  return {
    async join(name, order) {
      if (binding === undefined) {
        throw new Problem(
          "misconfigured",
          "This Worker's binding RUNS is missing: wrangler.toml must name the Durable Object.",
          {
            reason: "RUNS",
          },
        );
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        // A fresh stub each time: one that has failed stays broken.
        const joining = binding.getByName(name).join(order);
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => {
            reject(new Error("late"));
            // Nobody will listen any more.
            joining.then(
              async (joined) => {
                if ("stream" in joined) await joined.stream.cancel();
              },
              () => undefined,
            );
          }, JOIN_TIMEOUT_MS);
        });
        return await Promise.race([joining, late]);
      } catch (error) {
        warn("flight_unreachable", error);
        throw runUnreachable();
      } finally {
        if (timer !== undefined) clearTimeout(timer);
      }
    },
  };
}
