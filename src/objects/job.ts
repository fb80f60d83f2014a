// One run of a job, as a Workflow: `respond` asks upstream, once for each try; `deliver` posts what came of it until the callback has it.
// The engine keeps the pauses; what counts stands in the record (objects/job-record.ts), so that a step that is run twice asks once.
import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from "cloudflare:workers";
import { deliver } from "../answer/deliver.ts";
import { runJob } from "../answer/run-job.ts";
import { type JobRun, LOST } from "../core/job.ts";
import { wire } from "../isolate.ts";

/** Longer than upstream's own deadline for a job. */
const ONCE = { retries: { limit: 0, delay: 0 }, timeout: "50 minutes" } as const;
/** For what may be said twice. */
const AGAIN = { retries: { limit: 5, delay: "5 seconds", backoff: "exponential" }, timeout: "2 minutes" } as const;

export class Job extends WorkflowEntrypoint<Env, JobRun> {
  override async run({ payload }: Readonly<WorkflowEvent<JobRun>>, step: WorkflowStep): Promise<void> {
    const { job, run, delivery = 0 } = payload;
    const record = this.env.JOB_RECORDS.getByName(job);
    if (payload.delivery === undefined) await this.#respond(payload, step);
    for (let attempt = 1; ; attempt += 1) {
      const pauseMs = await step.do(`deliver ${attempt}`, AGAIN, async () =>
        deliver(await wire.deps(this.env), record, { job, run, delivery, attempt }),
      );
      if (pauseMs === null) return;
      await step.sleep(`pause before delivery ${attempt + 1}`, pauseMs);
    }
  }

  async #respond({ job, run }: JobRun, step: WorkflowStep): Promise<void> {
    const record = this.env.JOB_RECORDS.getByName(job);
    for (let attempt = 1; ; attempt += 1) {
      const pauseMs = await step
        .do(`respond ${attempt}`, ONCE, async () => {
          const deps = await wire.deps(this.env);
          const { againMs } = await runJob({ ...deps, ...deps.forJobs }, record, { job, run, attempt, lastTry: false });
          return againMs ?? null;
        })
        // Cut off, or the record was out of reach: what had been asked may have been paid.
        .catch(() => step.do(`give up ${attempt}`, AGAIN, () => this.#giveUp(job, run)));
      if (pauseMs === null) return;
      await step.sleep(`pause before try ${attempt + 1}`, pauseMs);
    }
  }

  async #giveUp(job: string, run: number): Promise<null> {
    const { now } = await wire.deps(this.env);
    await this.env.JOB_RECORDS.getByName(job).finish(now(), run, { answer: null, error: LOST });
    return null;
  }
}
