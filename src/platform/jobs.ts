// The interface of routes to the records of jobs. Each job has one Durable Object, whose name is the job's id.
import type { JobStatus, JobView } from "../contract/job.ts";
import type { JobOutcome, JobSpec } from "../core/jobs/job.ts";
import type { JobRecordMethods } from "../core/jobs/job-record.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

export interface Jobs {
  /**
   * Records a new job, or starts a failed one over.
   * @returns `accepted`: false for a duplicate; `instance`: the instance that may answer the job
   * @throws Problem 503 unavailable
   */
  accept: (job: string, spec: JobSpec) => Promise<{ accepted: boolean; status: JobStatus; instance: string }>;
  /** Returns the job as GET /jobs/{id} shows it; null if this owner has no such job. @throws Problem 503 unavailable */
  view: (job: string, owner: string) => Promise<JobView | null>;
  /** Delivers the job's outcome again. @throws Problem 503 unavailable */
  redeliver: (job: string) => Promise<"accepted" | "unfinished" | "nothing to deliver">;
  /** Returns the spec and the outcome; null while there is no outcome. @throws Problem 503 unavailable */
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
      // Calls again after a failure, because the record may have accepted the job although its reply was lost.
      return await call(job, accept).catch(() => call(job, accept));
    },
    view: (job, owner) => call(job, (stub) => stub.view(owner)),
    redeliver: (job) => call(job, (stub) => stub.redeliver()),
    readOutcome: (job) => call(job, (stub) => stub.readOutcome()),
    record,
  };
}
