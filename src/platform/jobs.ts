// Records of jobs as routes use them: one object for each job, found by the job's id.
import type { FailedTry, JobSpec, JobOutcome, JobStatus, JobView } from "../core/jobs/job.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

export interface Jobs {
  /** @returns `accepted: false` for a duplicate. @throws Problem unavailable */
  accept: (job: string, order: JobSpec) => Promise<Accepted>;
  /** Null for a job that is not there, or not this reader's to see. @throws Problem unavailable */
  view: (job: string, reader: string) => Promise<JobView | null>;
  /** @throws Problem unavailable */
  redeliver: (job: string) => Promise<"accepted" | "unfinished" | "nothing to deliver">;
  /** @throws Problem unavailable */
  outcome: (job: string) => Promise<{ order: JobSpec; outcome: JobOutcome } | null>;
  /** For a run in this request (answer/run-job.ts). */
  record: (job: string) => RecordStub;
}

/** `instance`: who may ask for it. */
export interface Accepted {
  accepted: boolean;
  status: JobStatus;
  instance: string;
}

/** One object's methods (objects/job-record.ts), as RPC gives them. */
interface RecordStub {
  accept: (at: number, job: string, order: JobSpec, nonce: string) => Promise<Accepted>;
  begin: (at: number, instance: string, execution: string) => Promise<{ order: JobSpec; attempt: number } | null>;
  postpone: (at: number, instance: string, failed: FailedTry, nextAt: number) => Promise<void>;
  finish: (at: number, instance: string, outcome: JobOutcome) => Promise<void>;
  view: (reader: string) => Promise<JobView | null>;
  redeliver: () => Promise<"accepted" | "unfinished" | "nothing to deliver">;
  outcome: () => Promise<{ order: JobSpec; outcome: JobOutcome } | null>;
}

/** The part of a namespace of Durable Objects that is used. */
export interface JobsBinding {
  getByName: (name: string) => RecordStub;
}

interface JobsOptions {
  now: () => number;
  random: (bytes: number) => string;
  warn: (event: string, error?: unknown) => void;
}

export function durableJobs(binding: JobsBinding | undefined, { now, random, warn }: JobsOptions): Jobs {
  /** Fresh each time: a stub that has failed stays broken. */
  function record(job: string): RecordStub {
    if (binding === undefined)
      throw misconfigured("JOB_RECORDS", "is not bound: wrangler.toml must name the Durable Object");
    return binding.getByName(job);
  }
  async function ask<T>(job: string, question: (stub: RecordStub) => Promise<T>): Promise<T> {
    const stub = record(job);
    try {
      return await question(stub);
    } catch (error) {
      warn("job_record_unreachable", error);
      throw new Problem(
        "unavailable",
        "Jobs can't be recorded or read at the moment. Send the request again in a moment.",
        {
          retryAfter: 5,
          reason: "job record",
        },
      );
    }
  }
  return {
    async accept(job, order) {
      const nonce = random(8);
      const say = (stub: RecordStub): Promise<Accepted> => stub.accept(now(), job, order, nonce);
      // Once more: the record may have heard it, and only its answer was lost.
      return await ask(job, say).catch(() => ask(job, say));
    },
    view: (job, reader) => ask(job, (stub) => stub.view(reader)),
    redeliver: (job) => ask(job, (stub) => stub.redeliver()),
    outcome: (job) => ask(job, (stub) => stub.outcome()),
    record,
  };
}
