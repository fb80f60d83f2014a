// The jobs view: jobs that this page started or found by id, and forms to start or find one.
import { useState } from "preact/hooks";
import type { JobAccepted } from "../../contract/job.ts";
import { type Account, isServer } from "../lib/account.ts";
import { call, type Failure, failureOf } from "../lib/call.ts";
import { FailureBox } from "../ui/failure.tsx";
import { Field } from "../ui/field.tsx";
import { createSessionWriter, readSession } from "../session/session-store.ts";
import { JobCard } from "./job-card.tsx";

const MAX_JOBS = 20;

export function JobsView({ account }: { account: Account }) {
  const [jobs, setJobs] = useState(readSession().jobs);
  const [writeSession] = useState(createSessionWriter);
  const update = (changed: string[]): void => {
    writeSession({ jobs: changed });
    setJobs(changed);
  };
  const without = (job: string): string[] => jobs.filter((other) => other !== job);
  const add = (job: string): void => update([job, ...without(job)].slice(0, MAX_JOBS));
  const remove = (job: string): void => update(without(job));
  return (
    <section class="page" aria-labelledby="jobs">
      <h1 id="jobs">Jobs</h1>
      {!isServer(account) && <p class="panel quiet">Jobs are for server keys. Sign in with one to see them.</p>}
      {isServer(account) && (
        <>
          <div class="job-forms">
            <StartForm account={account} onStart={add} />
            <FindForm onFind={add} />
          </div>
          {jobs.length === 0 && (
            <p class="quiet">No jobs yet. To find the job of a hook, use the id in its acknowledgement.</p>
          )}
          <ul class="jobs" aria-label="Jobs of this page">
            {jobs.map((job) => (
              <JobCard key={job} account={account} job={job} remove={() => remove(job)} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function StartForm({ account, onStart }: { account: Account; onStart: (job: string) => void }) {
  const [input, setInput] = useState("");
  const [callback, setCallback] = useState("");
  const [failure, setFailure] = useState<Failure | null>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setFailure(null);
    try {
      const name = callback.trim();
      const body = { input, ...(name === "" ? {} : { callback: name }) };
      const { job } = (await call(account, "/jobs", body)) as JobAccepted;
      onStart(job);
      setInput("");
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <form class="panel" onSubmit={(event) => void submit(event)}>
      <h2>Start a job</h2>
      <Field label="Input">
        {(id) => (
          <textarea
            id={id}
            rows={2}
            required
            value={input}
            onInput={({ currentTarget }) => setInput(currentTarget.value)}
          />
        )}
      </Field>
      <Field label="Callback: a name under callbacks in src/config.ts (optional)">
        {(id) => (
          <input
            id={id}
            autocomplete="off"
            spellcheck={false}
            value={callback}
            onInput={({ currentTarget }) => setCallback(currentTarget.value)}
          />
        )}
      </Field>
      {failure !== null && <FailureBox failure={failure} />}
      <div class="tools">
        <button type="submit" class="primary" disabled={input.trim() === ""}>
          Start
        </button>
      </div>
    </form>
  );
}

function FindForm({ onFind }: { onFind: (job: string) => void }) {
  const [job, setJob] = useState("");
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        onFind(job.trim());
        setJob("");
      }}
    >
      <h2>Find a job</h2>
      <Field label="Id">
        {(id) => (
          <input
            id={id}
            required
            pattern="\s*job_[\w\-]+\s*"
            placeholder="job_…"
            autocomplete="off"
            spellcheck={false}
            value={job}
            onInput={({ currentTarget }) => setJob(currentTarget.value)}
          />
        )}
      </Field>
      <div class="tools">
        <button type="submit" disabled={job.trim() === ""}>
          Show
        </button>
      </div>
    </form>
  );
}
