// Shows one job: its status, failed attempts, answer or error, and delivery attempts, with a button to deliver again. It reloads while the
// job or its delivery is unfinished.
import { useState } from "preact/hooks";
import type { JobView } from "../../contract/job.ts";
import type { Account } from "../lib/account.ts";
import { call, type Failure, failureOf } from "../lib/call.ts";
import { FailureBox } from "../ui/failure.tsx";
import { Icon } from "../ui/icon.tsx";
import { useLoaded } from "../lib/use-loaded.ts";

/** Bounds on polling, because the Worker counts every reload as a request. */
const MIN_RELOAD_MS = 1_500;
const MAX_RELOAD_MS = 30_000;

export function JobCard({ account, job, remove }: { account: Account; job: string; remove: () => void }) {
  const { value, failure, load } = useLoaded<JobView>(account, `/jobs/${encodeURIComponent(job)}`, reloadDelay);
  const [redeliveryFailure, setRedeliveryFailure] = useState<Failure | null>(null);
  const redeliver = async (): Promise<void> => {
    setRedeliveryFailure(null);
    try {
      await call(account, `/jobs/${encodeURIComponent(job)}/redeliver`, {});
      await load();
    } catch (error) {
      setRedeliveryFailure(failureOf(error));
    }
  };
  return (
    <li class="panel job">
      <div class="heading">
        <h2>
          <code>{job}</code>
        </h2>
        {value !== null && <span class={`badge ${TONES[value.status]}`}>{value.status}</span>}
      </div>
      {failure !== null && <FailureBox failure={failure} />}
      {value !== null && <Details job={value} />}
      {redeliveryFailure !== null && <FailureBox failure={redeliveryFailure} />}
      <div class="tools">
        <button type="button" class="icon-button" onClick={() => void load()}>
          <Icon name="retry" />
          <span>Refresh</span>
        </button>
        {value?.delivery !== undefined && (
          <button
            type="button"
            class="icon-button"
            disabled={value.delivery.status === "pending"}
            onClick={() => void redeliver()}
          >
            <Icon name="send" />
            <span>Redeliver</span>
          </button>
        )}
        <button type="button" class="icon-button" onClick={remove}>
          <span>Hide</span>
        </button>
      </div>
    </li>
  );
}

const TONES = {
  queued: "plain",
  running: "plain",
  completed: "good",
  failed: "bad",
  pending: "plain",
  delivered: "good",
} as const;

/**
 * Returns the milliseconds until the next reload: until the next attempt is due, within MIN_RELOAD_MS and MAX_RELOAD_MS. Undefined once the
 * job has ended and its delivery is over.
 */
function reloadDelay({ status, delivery, next_at }: JobView): number | undefined {
  if (status !== "queued" && status !== "running" && delivery?.status !== "pending") return undefined;
  const due = (delivery?.next_at ?? next_at ?? 0) * 1_000 - Date.now();
  return Math.min(Math.max(MIN_RELOAD_MS, due), MAX_RELOAD_MS);
}

function Details({ job: { hook, created_at, tries = [], next_at, answer, error, delivery } }: { job: JobView }) {
  return (
    <>
      <p class="fine">
        {hook === undefined ? "Started" : `By hook ${hook}`} {formatTime(created_at)}
        {answer !== undefined &&
          ` · ${answer.model}${answer.usage === null ? "" : ` · ${answer.usage.total_tokens} tokens`}`}
      </p>
      {tries.length > 0 && (
        <p class="fine">
          Failed attempts: {tries.map(({ at, code }) => `${code} (${formatTime(at)})`).join(", ")}
          {next_at !== undefined && `; the next one is due ${formatTime(next_at)}`}
        </p>
      )}
      {answer !== undefined && <p class="answer-text">{answer.text}</p>}
      {error !== undefined && <FailureBox failure={{ ...error, requestId: "" }} />}
      {delivery !== undefined && <Deliveries delivery={delivery} />}
    </>
  );
}

function Deliveries({ delivery: { status, attempts, next_at } }: { delivery: NonNullable<JobView["delivery"]> }) {
  return (
    <div class="deliveries">
      <p>
        Delivery <span class={`badge ${TONES[status]}`}>{status}</span>
        {next_at !== null && <span class="fine"> next attempt {formatTime(next_at)}</span>}
      </p>
      {attempts.length > 0 && (
        <table class="attempts">
          <thead>
            <tr>
              <th scope="col">Attempt</th>
              <th scope="col">Time</th>
              <th scope="col">Answer</th>
            </tr>
          </thead>
          <tbody>
            {attempts.map(({ at, status, error }, index) => (
              <tr key={index}>
                <td>{index + 1}</td>
                <td>{formatTime(at)}</td>
                <td>
                  {status ?? "none"}
                  {error === null ? "" : ` · ${error}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

const formatTime = (seconds: number): string =>
  new Date(seconds * 1_000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
