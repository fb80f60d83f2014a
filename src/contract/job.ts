// What the routes of jobs and hooks return. The Worker imports only the types; /openapi.json is generated from the schemas.
import * as z from "zod/mini";
import { Answer } from "./answer.ts";

export const JobStatus = z.enum(["queued", "running", "completed", "failed"]);
export type JobStatus = z.infer<typeof JobStatus>;

/** Why a job failed permanently: the `error` of a problem, without `param` and `request_id`. */
export const JobError = z.object({ message: z.string(), type: z.string(), code: z.string() });
export type JobError = z.infer<typeof JobError>;

export const FailedAttempt = z.object({ at: z.int().check(z.describe("Unix seconds.")), code: z.string() });
export type FailedAttempt = z.infer<typeof FailedAttempt>;

export const DeliveryAttempt = z
  .object({
    at: z.int().check(z.describe("Unix seconds.")),
    status: z.nullable(z.int()).check(z.describe("The HTTP status of the reply; null if there was no reply.")),
    error: z.nullable(z.string()),
  })
  .check(z.describe("One request to the callback."));
export type DeliveryAttempt = z.infer<typeof DeliveryAttempt>;

export const JobDelivery = z.object({
  status: z.enum(["pending", "delivered", "failed"]),
  attempts: z.array(DeliveryAttempt),
  next_at: z.nullable(z.int()).check(z.describe("Unix seconds of the next attempt; null after the last one.")),
});
export type JobDelivery = z.infer<typeof JobDelivery>;

/** The body of GET /jobs/{id}. */
export const JobView = z
  .object({
    job: z.string(),
    status: JobStatus,
    hook: z.exactOptional(z.string()).check(z.describe("The hook that received the event; absent for POST /jobs.")),
    created_at: z.int().check(z.describe("Unix seconds.")),
    tries: z.exactOptional(z.array(FailedAttempt)).check(z.describe("Failed attempts that UniAPI did not bill.")),
    next_at: z.exactOptional(z.int()).check(z.describe("Unix seconds of the next attempt; absent after the last one.")),
    answer: z.exactOptional(Answer),
    error: z.exactOptional(JobError).check(z.describe("Why the job failed permanently.")),
    delivery: z.exactOptional(JobDelivery).check(z.describe("Present for jobs with a callback.")),
    metadata: z.record(z.string(), z.string()),
  })
  .check(z.describe("A job and its progress. Stored for 30 days."));
export type JobView = z.infer<typeof JobView>;

/** The body of a 202 from POST /jobs or from a redelivery. */
export const JobAccepted = z.object({ job: z.string(), status: JobStatus });
export type JobAccepted = z.infer<typeof JobAccepted>;

/** The body of POST /hooks/{name}. */
export const HookResult = z.object({
  status: z.enum(["accepted", "duplicate", "ignored"]),
  job: z.optional(z.string()).check(z.describe("The job's id for GET /jobs/{id}. Absent for an ignored event.")),
});
export type HookResult = z.infer<typeof HookResult>;
