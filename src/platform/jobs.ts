// Gives routes access to the records of jobs. Each job has one Durable Object, whose name is the job's id.
import type { JobStatus, JobView } from "../contract/job.ts";
import type { JobOutcome, JobSpec } from "../core/jobs/job.ts";
import type { JobRecordMethods } from "../core/jobs/job-record.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

/**
 * All methods throw Problem 503 misconfigured if JOB_RECORDS is not bound. All but `record` throw Problem 503 unavailable if the job's
 * record can't be reached.
 */
export interface Jobs {
  /**
   * Records a new job, or starts a failed one over.
   * @returns `accepted`: false for a duplicate; `instance`: the instance that may answer the job
   */
  accept: (job: string, spec: JobSpec) => Promise<{ accepted: boolean; status: JobStatus; instance: string }>;
  /** Returns the job as GET /jobs/{id} shows it to this owner, who sees their own jobs and those of hooks; null if there is none. */
  view: (job: string, owner: string) => Promise<JobView | null>;
  /**
   * Starts another delivery of the job's outcome. Resolves to `unfinished` while the job has no outcome, and to `nothing to deliver` if
   * there is no such job or it has no callback.
   */
  redeliver: (job: string) => Promise<"accepted" | "unfinished" | "nothing to deliver">;
  /** Returns the spec and the outcome; null if there is no such job, and while it has no outcome. */
  readOutcome: (job: string) => Promise<{ spec: JobSpec; outcome: JobOutcome } | null>;
  /** Returns a stub of the record, for an attempt within this request (src/jobs/answer-job.ts). */
  record: (job: string) => JobRecordStub;
}

/** The part of the Durable Object's methods that routes use. */
type JobRecordStub = Pick<
  JobRecordMethods,
  "accept" | "begin" | "postpone" | "finish" | "view" | "redeliver" | "readOutcome"
>;

/** The part of the binding JOB_RECORDS that is used. */
export interface JobsBinding {
  getByName: (name: string) => JobRecordStub;
}

interface JobsOptions {
  now: () => number;
  random: (bytes: number) => string;
  warn: (event: string, error?: unknown) => void;
}

export function createJobs(binding: JobsBinding | undefined, { now, random, warn }: JobsOptions): Jobs {
  /** Returns a new stub for each call, because a stub that has failed remains broken. */
  function record(job: string): JobRecordStub {
    if (binding === undefined)
      throw misconfigured("JOB_RECORDS", "is not bound: wrangler.toml must name the Durable Object");
    return binding.getByName(job);
  }
  async function call<T>(job: string, method: (stub: JobRecordStub) => Promise<T>): Promise<T> {
    const stub = record(job);
    try {
      return await method(stub);
    } catch (error) {
      warn("job_record_unreachable", error);
      throw new Problem(
        "unavailable",
        "Jobs can't be recorded or read at the moment. Send the request again in a moment.",
        { retryAfter: 5, reason: "job record" },
      );
    }
  }
  return {
    async accept(job, spec) {
      const acceptId = random(8);
      const accept = (stub: JobRecordStub) => stub.accept(now(), job, spec, acceptId);
      // Calls again after a failure, because the record may have accepted the job although its reply was lost. With the same acceptId, the
      // second call gets the same result.
      return await call(job, accept).catch(() => call(job, accept));
    },
    view: (job, owner) => call(job, (stub) => stub.view(owner)),
    redeliver: (job) => call(job, (stub) => stub.redeliver()),
    readOutcome: (job) => call(job, (stub) => stub.readOutcome()),
    record,
  };
}
