// The usage view: today's sums, thirty days as charts, and what remains of each limit.
import type { UsageLimits, UsageReport } from "../../contract/usage.ts";
import type { Account } from "../lib/account.ts";
import { FailureBox } from "../ui/failure.tsx";
import { Icon } from "../ui/icon.tsx";
import { useLoaded } from "../lib/use-loaded.ts";
import { DayChart } from "./day-chart.tsx";
import { everyDay, MEASURES } from "./measures.ts";

export function UsageView({ account }: { account: Account }) {
  const { value, failure, load } = useLoaded<UsageReport>(account, "/usage");
  return (
    <section class="page" aria-labelledby="usage">
      <div class="heading">
        <h1 id="usage">Usage</h1>
        <button type="button" class="icon-button" onClick={() => void load()}>
          <Icon name="retry" />
          <span>Refresh</span>
        </button>
      </div>
      {failure !== null && <FailureBox failure={failure} />}
      {value !== null && <Report usage={value} />}
    </section>
  );
}

function Report({ usage }: { usage: UsageReport }) {
  const days = everyDay(usage.days, usage.today.date);
  return (
    <>
      <LimitList limits={usage.limits} left={usage.left} />
      <div class="charts">
        {MEASURES.map((measure) => (
          <DayChart key={measure.name} measure={measure} days={days} today={usage.today} total={usage.total} />
        ))}
      </div>
      <p class="fine">
        Days are UTC. Sums lag by a few seconds. A request is counted when it arrives, and a cache hit when the Worker
        answers it.
        {usage.total.cost_usd === 0 && (
          <>
            {" "}
            Costs need <code>prices</code> in src/config.ts.
          </>
        )}
      </p>
    </>
  );
}

const LIMIT_NAMES: Record<keyof UsageLimits, string> = {
  requests_per_minute: "Requests this minute",
  requests: "Requests of this token",
  tokens_per_day: "Tokens today",
  usd_per_day: "US dollars today",
};

function LimitList({ limits, left: remaining }: { limits: UsageLimits; left: UsageLimits }) {
  const names = Object.keys(limits) as (keyof UsageLimits)[];
  if (names.length === 0) return <p class="panel quiet">This caller has no limits of its own.</p>;
  return (
    <ul class="limits" aria-label="Remaining limits">
      {names.map((name) => {
        const limit = limits[name] ?? 0;
        const rest = remaining[name] ?? 0;
        return (
          <li key={name} class="panel">
            <p class="limit-name">{LIMIT_NAMES[name]}</p>
            <p>
              <strong>{rest.toLocaleString("en")}</strong> of {limit.toLocaleString("en")} left
            </p>
            <meter
              min={0}
              max={limit}
              low={limit * 0.2}
              high={limit * 0.5}
              optimum={limit}
              value={rest}
              aria-label={LIMIT_NAMES[name]}
            />
          </li>
        );
      })}
    </ul>
  );
}
