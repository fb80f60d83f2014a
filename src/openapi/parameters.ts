// Parameters that several operations take, and the ids that their examples show. A test puts real ids in place of these.
import type { Parameter } from "./operation.ts";

const TEXT = { type: "string" };
const FLAG = { type: "boolean" };

/** An id as it looks: signed, so that no other Worker takes this one. */
export const ANSWER_ID =
  "resp_ue1_AAABAciXb-v8aFDLeWty4f03LHAeWX5yZXNwXzk3OGJiM2FjMzFhY2IxNDc5MzRiN2I1NDkyMDQxZTFhMDFhNzVmZjY2YmVmZTQyODIz";
export const FOLLOW_UP_ID =
  "resp_ue1_AAACAciXhGdeC56Yn8OYaLSaIoIEwYdyZXNwX2EzYzZmYzkzMmI0MjZiYjZhOWYxNWNmN2RhMzY3MjQyNWZkNmE1MDYwYTZlZjgyZmNk";
export const FOREIGN_ID = "resp_ue1_somebody-elses";
/** Names a stream in the ids of its events. */
export const RUN_ID = "df828628261b";
export const JOB_ID = "job_3f9c1b7a52e84d06a1c7e0b94d2f6a83";

export const responseId: Parameter = {
  in: "path",
  name: "id",
  description: "Of an earlier answer of this caller's.",
  schema: TEXT,
};

export const jobId: Parameter = {
  in: "path",
  name: "id",
  description: "As POST /jobs or a webhook gave it.",
  schema: TEXT,
};

export const cacheControl: Parameter = {
  in: "header",
  name: "Cache-Control",
  description:
    "`no-cache`: write the cache, don't read it. `no-store`: neither, and keep no turn. `max-age=N`: take an answer up to N seconds old.",
  schema: TEXT,
};

export const idempotencyKey: Parameter = {
  in: "header",
  name: "Idempotency-Key",
  description:
    "1 to 255 printable ASCII characters. However often and concurrently the same request is sent with it, UniAPI is called once; for 24 hours " +
    "every repeat gets the same answer, as JSON or as a stream from its first event. The call goes on when its clients leave.",
  schema: { type: "string", pattern: "^[ -~]{1,255}$" },
};

export const ifNoneMatch: Parameter = {
  in: "header",
  name: "If-None-Match",
  description: "The `ETag` of the file that is already there: it is not sent again.",
  schema: TEXT,
};

export const lastEventId: Parameter = {
  in: "header",
  name: "Last-Event-ID",
  description:
    "With an `Idempotency-Key`: `id` of the last event that was read. The stream continues behind it; no call is ever begun. Who has lost " +
    "the question sends both with an empty body.",
  schema: { type: "string", pattern: String.raw`^[0-9a-f]{1,64}-\d{1,9}$` },
};

export function booleanParameter(name: string, description: string): Parameter {
  return { in: "query", name, description, schema: FLAG };
}

export function queryParameter(name: string, description: string, schema: Parameter["schema"] = TEXT): Parameter {
  return { in: "query", name, description, schema };
}
