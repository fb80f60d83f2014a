// Parameters that several operations share, and the ids in the operations' examples. A test replaces these ids with real ones.
import type { Parameter } from "./operation.ts";

const TEXT = { type: "string" };
const FLAG = { type: "boolean" };

/** A realistic id, but signed with an unknown key, so no Worker accepts it. */
export const ANSWER_ID =
  "resp_ue1_AAABAciXb-v8aFDLeWty4f03LHAeWX5yZXNwXzk3OGJiM2FjMzFhY2IxNDc5MzRiN2I1NDkyMDQxZTFhMDFhNzVmZjY2YmVmZTQyODIz";
export const FOLLOW_UP_ID =
  "resp_ue1_AAACAciXhGdeC56Yn8OYaLSaIoIEwYdyZXNwX2EzYzZmYzkzMmI0MjZiYjZhOWYxNWNmN2RhMzY3MjQyNWZkNmE1MDYwYTZlZjgyZmNk";
export const FOREIGN_ID = "resp_ue1_somebody-elses";
/** The first part of the ids of a run's events. */
export const RUN_ID = "df828628261b";
export const JOB_ID = "job_3f9c1b7a52e84d06a1c7e0b94d2f6a83";

export const responseId: Parameter = {
  in: "path",
  name: "id",
  description: "Id of an earlier answer to this caller.",
  schema: TEXT,
};

export const jobId: Parameter = {
  in: "path",
  name: "id",
  description: "Id of the job, from the response of POST /jobs or of a webhook.",
  schema: TEXT,
};

export const cacheControl: Parameter = {
  in: "header",
  name: "Cache-Control",
  description:
    "`no-cache`: write the answer cache, but don't read it. `no-store`: neither, and store no turn. `max-age=N`: accept an answer up to N seconds old.",
  schema: TEXT,
};

export const idempotencyKey: Parameter = {
  in: "header",
  name: "Idempotency-Key",
  description:
    "1 to 255 printable ASCII characters. UniAPI is called once, however often the same request is sent with the same key. For 24 hours " +
    "every repeat gets the same answer, as JSON or as a stream from its first event. The call continues if its clients disconnect.",
  schema: { type: "string", pattern: "^[ -~]{1,255}$" },
};

export const ifNoneMatch: Parameter = {
  in: "header",
  name: "If-None-Match",
  description: "The `ETag` of the cached file. If it is still current, the response is 304.",
  schema: TEXT,
};

export const lastEventId: Parameter = {
  in: "header",
  name: "Last-Event-ID",
  description:
    "With an `Idempotency-Key`: `id` of the last event that was read. The stream resumes after it, and no call is started. A client that " +
    "has lost the question sends both headers with an empty body.",
  schema: { type: "string", pattern: String.raw`^[0-9a-f]{1,64}-\d{1,9}$` },
};

export function booleanParameter(name: string, description: string): Parameter {
  return { in: "query", name, description, schema: FLAG };
}

export function queryParameter(name: string, description: string, schema: Parameter["schema"] = TEXT): Parameter {
  return { in: "query", name, description, schema };
}
