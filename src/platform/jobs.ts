// Records of jobs as routes use them: one object for each job, found by the job's id.
import type { FailedTry, JobOrder, JobOutcome, JobStatus, JobView } from "../core/job.ts";
import { Problem } from "../core/problem.ts";
import { misconfigured } from "../core/setting.ts";

export interface Jobs {
  /** @returns false for a duplicate. @throws Problem unavailable: nothing was accepted */
  accept: (job: string, order: JobOrder) => Promise<Accepted>;
  /** Null for a job that is not there, or not this reader's to see. @throws Problem unavailable */
  view: (job: string, reader: string) => Promise<JobView | null>;
  /** @throws Problem unavailable */
  redeliver: (job: string) => Promise<"accepted" | "unfinished" | "nothing to deliver">;
  /** @throws Problem unavailable */
  outcome: (job: string) => Promise<{ order: JobOrder; outcome: JobOutcome } | null>;
  /** For a run in this request (answer/run-job.ts). */
  record: (job: string) => RecordStub;
}

export interface Accepted {
  accepted: boolean;
  status: JobStatus;
  run: number;
}

/** One object's methods (objects/job-record.ts), as RPC gives them. */
interface RecordStub {
  accept: (at: number, job: string, order: JobOrder) => Promise<Accepted>;
  begin: (at: number, run: number, attempt: number) => Promise<JobOrder | null>;
  postpone: (at: number, run: number, failed: FailedTry, nextAt: number) => Promise<void>;
  finish: (at: number, run: number, outcome: JobOutcome) => Promise<void>;
  view: (reader: string) => Promise<JobView | null>;
  redeliver: () => Promise<"accepted" | "unfinished" | "nothing to deliver">;
  outcome: () => Promise<{ order: JobOrder; outcome: JobOutcome } | null>;
}

/** The part of a namespace of Durable Objects that is used. */
export interface JobsBinding {
  getByName: (name: string) => RecordStub;
}

export function durableJobs(
  binding: JobsBinding | undefined,
  { now, warn }: { now: () => number; warn: (event: string, error?: unknown) => void },
): Jobs {
  function record(job: string): RecordStub {
    if (binding === undefined) throw misconfigured("JOB_RECORDS", "is not bound: wrangler.toml must name the Durable Object");
    return binding.getByName(job);
  }
  async function ask<T>(job: string, question: (stub: RecordStub) => Promise<T>): Promise<T> {
    const stub = record(job);
    try {
      return await question(stub);
    } catch (error) {
      warn("job_record_unreachable", error);
      throw new Problem("unavailable", "Jobs can't be recorded or read at the moment. Nothing was begun; send the request again.", {
        retryAfter: 5,
        reason: "job record",
      });
    }
  }
  return {
    accept: (job, order) => ask(job, (stub) => stub.accept(now(), job, order)),
    view: (job, reader) => ask(job, (stub) => stub.view(reader)),
    redeliver: (job) => ask(job, (stub) => stub.redeliver()),
    outcome: (job) => ask(job, (stub) => stub.outcome()),
    record,
  };
}
