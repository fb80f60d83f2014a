// One run of a job, as a Workflow: `respond` asks upstream, once for each try; `deliver` posts what came of it until the callback has it.
// The engine keeps the pauses; what counts stands in the record (objects/job-record.ts), so that a step that is run twice asks once.
import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from "cloudflare:workers";
import { deliver } from "../jobs/deliver.ts";
import { answerJob } from "../jobs/run-job.ts";
import type { JobInstance } from "../core/jobs/job.ts";
import { wire } from "../isolate.ts";

/** Longer than upstream's own deadline for a job. */
const ONCE = { retries: { limit: 0, delay: 0 }, timeout: "50 minutes" } as const;
/** For what may be said twice. */
const AGAIN = { retries: { limit: 5, delay: "5 seconds", backoff: "exponential" }, timeout: "2 minutes" } as const;

export class JobWorkflow extends WorkflowEntrypoint<Env, JobInstance> {
  override async run({ payload }: Readonly<WorkflowEvent<JobInstance>>, step: WorkflowStep): Promise<void> {
    if (!payload.deliverOnly) await this.#respond(payload, step);
    for (let n = 1; ; n += 1) {
      const pauseMs = await step.do(`deliver ${n}`, AGAIN, async () =>
        deliver(await wire.deps(this.env), this.#record(payload), payload),
      );
      if (pauseMs === null) return;
      await step.sleep(`pause after delivery ${n}`, pauseMs);
    }
  }

  async #respond(run: JobInstance, step: WorkflowStep): Promise<void> {
    for (let n = 1; ; n += 1) {
      const pauseMs = await step
        .do(`respond ${n}`, ONCE, async () => {
          const deps = await wire.deps(this.env);
          const waitUntil: Promise<unknown>[] = [];
          const { againMs } = await answerJob(
            { ...deps, ...deps.forJobs },
            () => this.#record(run),
            run,
            (work) => void waitUntil.push(work),
          );
          // Also what comes meanwhile: nothing lives on after a step.
          for (let at = 0; at < waitUntil.length; at += 1) await waitUntil[at]?.catch(() => undefined);
          return againMs ?? null;
        })
        // Cut off, or nothing worked: what had been asked by then, the record knows. Its own clock, since settings may be what is wrong.
        .catch(() => step.do(`give up ${n}`, AGAIN, () => this.#record(run).giveUp(Date.now(), run.instance)));
      if (pauseMs === null) return;
      await step.sleep(`pause after try ${n}`, pauseMs);
    }
  }

  /** A fresh stub each time: one that has failed stays broken. */
  #record({ job }: JobInstance) {
    return this.env.JOB_RECORDS.getByName(job);
  }
}
