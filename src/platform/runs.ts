// Flights as the path uses them: one object per owner and key, asked only by requests that bring an Idempotency-Key.
import { flightUnreachable, type Joined, type Order } from "../core/request/idempotency.ts";
import { Problem } from "../core/lib/problem.ts";

/** Until the object says who flies; the answer itself may take its time. */
const JOIN_TIMEOUT_MS = 10_000;

export interface Flights {
  /** @param name digest of owner and key. @throws Problem unavailable, misconfigured */
  join: (name: string, order: Order) => Promise<Joined>;
}

/** One object's method (objects/flight.ts), as RPC gives it. */
interface FlightStub {
  join: (order: Order) => Promise<Joined>;
}

export interface FlightsBinding {
  getByName: (name: string) => FlightStub;
}

export function durableFlights(binding: FlightsBinding | undefined, warn: (event: string, error?: unknown) => void): Flights {
  return {
    async join(name, order) {
      if (binding === undefined) {
        throw new Problem("misconfigured", "This Worker's binding FLIGHTS is missing: wrangler.toml must name the Durable Object.", {
          reason: "FLIGHTS",
        });
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
        throw flightUnreachable();
      } finally {
        if (timer !== undefined) clearTimeout(timer);
      }
    },
  };
}
