// The Workflow of a job. Each step `respond n` is an attempt to answer the job, and each step `deliver n` is an attempt to deliver the
// result. The engine waits between the steps. All state is in the record (job-record.ts), so a step that the engine runs twice calls
// upstream once.
import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from "cloudflare:workers";
import { deliver } from "../jobs/deliver.ts";
import { answerJob } from "../jobs/answer-job.ts";
import type { JobWorkflowParams } from "../core/jobs/job.ts";
import { toProblem } from "../core/lib/problem.ts";
import { wire } from "../isolate.ts";

/** For a step that pays for a call. It has no retries, and its timeout is longer than the total deadline of a job's call. */
const ONCE = { retries: { limit: 0, delay: 0 }, timeout: "50 minutes" } as const;
/** For a step that may be repeated. */
const REPEATABLE = { retries: { limit: 5, delay: "5 seconds", backoff: "exponential" }, timeout: "2 minutes" } as const;

export class JobWorkflow extends WorkflowEntrypoint<Env, JobWorkflowParams> {
  override async run({ payload }: Readonly<WorkflowEvent<JobWorkflowParams>>, step: WorkflowStep): Promise<void> {
    if (!payload.deliverOnly) await this.#respond(payload, step);
    for (let n = 1; ; n += 1) {
      const delayMs = await step.do(`deliver ${n}`, REPEATABLE, async () =>
        deliver(await wire.deps(this.env), this.#record(payload), payload),
      );
      if (delayMs === null) return;
      await step.sleep(`pause after delivery ${n}`, delayMs);
    }
  }

  async #respond(params: JobWorkflowParams, step: WorkflowStep): Promise<void> {
    for (let n = 1; ; n += 1) {
      const delayMs = await step
        .do(`respond ${n}`, ONCE, async () => {
          const deps = await wire.deps(this.env);
          const background: Promise<unknown>[] = [];
          const { retryInMs } = await answerJob(
            deps.forJobs(),
            () => this.#record(params),
            params,
            (work) => void background.push(work),
          );
          // Background work must end before the step does. It may add more work, so the length is read each time.
          for (let index = 0; index < background.length; index += 1) await background[index]?.catch(() => undefined);
          return retryInMs ?? null;
        })
        // The step failed, and the record knows whether upstream was being called. The time is Date.now() instead of the Deps' clock,
        // because a wrong setting may have caused the failure, and then there are no Deps.
        .catch((error: unknown) => {
          wire.log(this.env).exception(params.job, toProblem(error));
          return step.do(`give up ${n}`, REPEATABLE, () => this.#record(params).giveUp(Date.now(), params.instance));
        });
      if (delayMs === null) return;
      await step.sleep(`pause after try ${n}`, delayMs);
    }
  }

  /** Returns a new stub for each call, because a stub that has failed remains broken. */
  #record({ job }: JobWorkflowParams) {
    return this.env.JOB_RECORDS.getByName(job);
  }
}
