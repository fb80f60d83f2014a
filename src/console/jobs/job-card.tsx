// One job: its state, every try and every delivery, the answer or the error, and the delivery once more. Read again by itself as long as
// something is to come.
import { useState } from "preact/hooks";
import type { Account } from "../lib/account.ts";
import { call, type Failure, failureOf } from "../lib/call.ts";
import { FailureBox } from "../ui/failure.tsx";
import { Icon } from "../ui/icon.tsx";
import { useLoaded } from "../lib/use-loaded.ts";

interface Attempt {
  at: number;
  status: number | null;
  error: string | null;
}

interface Job {
  job: string;
  status: "queued" | "running" | "completed" | "failed";
  hook?: string;
  created_at: number;
  tries?: { at: number; code: string }[];
  next_at?: number;
  answer?: { text: string; model: string; usage: { total_tokens: number } | null };
  error?: { message: string; code: string };
  delivery?: { status: "pending" | "delivered" | "failed"; attempts: Attempt[]; next_at: number | null };
}

/** Every look is a request that the Worker counts. */
const SOON_MS = 1_500;

export function JobCard({ account, job, remove }: { account: Account; job: string; remove: () => void }) {
  const { value, failure, load } = useLoaded<Job>(account, `/jobs/${encodeURIComponent(job)}`, againMs);
  const [refused, setRefused] = useState<Failure | null>(null);
  const redeliver = async (): Promise<void> => {
    setRefused(null);
    try {
      await call(account, `/jobs/${encodeURIComponent(job)}/redeliver`, {});
      await load();
    } catch (error) {
      setRefused(failureOf(error));
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
      {refused !== null && <FailureBox failure={refused} />}
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

/** While something is to come: soon, or when the next try is due. */
function againMs({ status, delivery, next_at }: Job): number | undefined {
  if (status !== "queued" && status !== "running" && delivery?.status !== "pending") return undefined;
  const due = (delivery?.next_at ?? next_at ?? 0) * 1_000 - Date.now();
  return Math.min(Math.max(SOON_MS, due), 30_000);
}

function Details({ job: { hook, created_at, tries = [], next_at, answer, error, delivery } }: { job: Job }) {
  return (
    <>
      <p class="fine">
        {hook === undefined ? "Started" : `By hook ${hook}`} {time(created_at)}
        {answer !== undefined &&
          ` · ${answer.model}${answer.usage === null ? "" : ` · ${answer.usage.total_tokens} tokens`}`}
      </p>
      {tries.length > 0 && (
        <p class="fine">
          Tries that failed: {tries.map(({ at, code }) => `${code} (${time(at)})`).join(", ")}
          {next_at !== undefined && `; the next one is due ${time(next_at)}`}
        </p>
      )}
      {answer !== undefined && <p class="said">{answer.text}</p>}
      {error !== undefined && <FailureBox failure={{ ...error, requestId: "" }} />}
      {delivery !== undefined && <Deliveries delivery={delivery} />}
    </>
  );
}

function Deliveries({ delivery: { status, attempts, next_at } }: { delivery: NonNullable<Job["delivery"]> }) {
  return (
    <div class="deliveries">
      <p>
        Delivery <span class={`badge ${TONES[status]}`}>{status}</span>
        {next_at !== null && <span class="fine"> next attempt {time(next_at)}</span>}
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
                <td>{time(at)}</td>
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

const time = (seconds: number): string =>
  new Date(seconds * 1_000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
