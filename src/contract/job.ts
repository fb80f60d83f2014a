// What the routes of jobs and hooks give back, once: the types that the code is held to and the schemas that /openapi.json is made of.
// The Worker imports the types alone.
import * as z from "zod/mini";
import { Answer } from "./answer.ts";

export const JobStatus = z.enum(["queued", "running", "completed", "failed"]);
export type JobStatus = z.infer<typeof JobStatus>;

/** The error of a job that failed for good, as in the envelope but without a request's id. */
export const JobError = z.object({ message: z.string(), type: z.string(), code: z.string() });
export type JobError = z.infer<typeof JobError>;

export const FailedTry = z.object({ at: z.int().check(z.describe("Unix seconds.")), code: z.string() });
export type FailedTry = z.infer<typeof FailedTry>;

export const DeliveryAttempt = z
  .object({
    at: z.int().check(z.describe("Unix seconds.")),
    status: z.nullable(z.int()).check(z.describe("The HTTP status of the reply; null where none came.")),
    error: z.nullable(z.string()),
  })
  .check(z.describe("One request to the callback."));
export type DeliveryAttempt = z.infer<typeof DeliveryAttempt>;

export const Delivery = z.object({
  status: z.enum(["pending", "delivered", "failed"]),
  attempts: z.array(DeliveryAttempt),
  next_at: z.nullable(z.int()).check(z.describe("Unix seconds of the next attempt, while one is to come.")),
});
export type Delivery = z.infer<typeof Delivery>;

/** The body of GET /jobs/{id}. */
export const JobView = z
  .object({
    job: z.string(),
    status: JobStatus,
    hook: z.exactOptional(z.string()).check(z.describe("The hook whose event it is; absent for POST /jobs.")),
    created_at: z.int().check(z.describe("Unix seconds.")),
    tries: z.exactOptional(z.array(FailedTry)).check(z.describe("Tries to get an answer that failed unpaid.")),
    next_at: z.exactOptional(z.int()).check(z.describe("Unix seconds of the next try, while one is to come.")),
    answer: z.exactOptional(Answer),
    error: z.exactOptional(JobError).check(z.describe("Why the job failed for good.")),
    delivery: z.exactOptional(Delivery).check(z.describe("Of jobs with a callback.")),
    metadata: z.record(z.string(), z.string()),
  })
  .check(z.describe("A job and how far it is. Kept for 30 days."));
export type JobView = z.infer<typeof JobView>;

/** The body of a 202 of POST /jobs and of a redelivery. */
export const JobAccepted = z.object({ job: z.string(), status: JobStatus });
export type JobAccepted = z.infer<typeof JobAccepted>;

/** What became of a delivery to POST /hooks/{name}. */
export const HookResult = z.object({
  status: z.enum(["accepted", "duplicate", "ignored"]),
  job: z.optional(z.string()).check(z.describe("Read it with GET /jobs/{id}. Absent for an event that is ignored.")),
});
export type HookResult = z.infer<typeof HookResult>;
