// POST /hooks/{name} and the operations of jobs.
import { SENDERS } from "../hooks/senders.ts";
import { type Operation, schemaRef } from "./operation.ts";
import { ANSWER_ID, JOB_ID, jobId } from "./parameters.ts";
import { problemExample } from "./problems.ts";

/** A Markdown list of all senders: "`github` ([GitHub](https://docs.github.com/…)), `stripe` (…)". */
const senders = Object.entries(SENDERS)
  .map(([scheme, { title, docs }]) => `\`${scheme}\` ([${title}](${docs}))`)
  .join(", ");

const hook: Operation = {
  path: "/hooks/{name}",
  method: "post",
  operationId: "receiveWebhook",
  tag: "Jobs and webhooks",
  summary: "Receive a signed event and answer it with a job",
  description: `The hook's \`scheme\` in the config names the sender, which signs the request with the hook's secret: ${senders}. No credential is
needed. A sender may require a response of its own, and a request that only tests the endpoint gets the response that its sender expects.
With \`respond: "sync"\` the response is the answer.`,
  callers: ["nobody"],
  parameters: [
    { in: "path", name: "name", description: "Name of the hook in the config.", schema: { type: "string" } },
    {
      in: "header",
      name: "X-Hub-Signature-256",
      description: "The signature, if the sender is `github`. Other senders have other headers.",
      schema: { type: "string" },
    },
  ],
  body: { "application/json": {}, "application/x-www-form-urlencoded": {} },
  responses: {
    200: {
      description: 'A duplicate, or an event that is ignored; with `respond: "sync"` the answer.',
      content: { "application/json": schemaRef("HookResult") },
    },
    202: {
      description: "Accepted. This includes a repeated event whose failed job starts over.",
      content: { "application/json": schemaRef("HookResult") },
    },
  },
  failures: ["body", "id", "signature", "upstream"],
  examples: {
    accepted: {
      summary: "An event",
      parameters: {
        name: "triage",
        "X-Hub-Signature-256": "sha256=fb946529eae64755eff5bf1a19e4695ccc7019a19ab729efbbffcdb78effb430",
      },
      body: { action: "opened", issue: { number: 7, body: "It does not start." }, repository: { name: "shop" } },
      status: 202,
      response: { status: "accepted", job: JOB_ID },
    },
    ignored: {
      summary: "An event that the hook's `input` ignores",
      parameters: {
        name: "triage",
        "X-Hub-Signature-256": "sha256=0e54af5de1c615c0f57866c0faa1b69f0bdac9df0dde373506ad1a9f59bd6893",
      },
      body: { action: "closed", issue: { number: 7, body: "It does not start." }, repository: { name: "shop" } },
      status: 200,
      response: { status: "ignored" },
    },
    unknown_hook: {
      summary: "A hook that does not exist",
      parameters: { name: "nobody" },
      body: {},
      status: 404,
      response: problemExample(
        "not_found",
        "There is no hook with this name. Check the URL, or add the hook to `hooks` in src/config.ts.",
      ),
    },
  },
};

const postJob: Operation = {
  path: "/jobs",
  method: "post",
  operationId: "createJob",
  tag: "Jobs and webhooks",
  summary: "Ask without waiting",
  description:
    "Takes the body of `POST /ask` without `stream`. Attempts that fail unpaid are repeated for more than an hour.",
  callers: ["serverKey"],
  body: { "application/json": schemaRef("JobRequest") },
  responses: {
    202: {
      description: "The job is recorded.",
      headers: ["location"],
      content: { "application/json": schemaRef("JobAccepted") },
    },
  },
  failures: ["body"],
  examples: {
    job: {
      summary: "A job with a callback",
      body: { input: "Summarise the week.", callback: "crm", metadata: { week: "47" } },
      status: 202,
      response: { job: JOB_ID, status: "queued" },
    },
    stream: {
      summary: "A job can't stream",
      body: { input: "hi", stream: true },
      status: 400,
      response: problemExample(
        "invalid_request",
        "A job can't be streamed. Remove `stream`, and read the job by its id or set `callback`.",
        "stream",
      ),
    },
  },
};

const getJob: Operation = {
  path: "/jobs/{id}",
  method: "get",
  operationId: "getJob",
  tag: "Jobs and webhooks",
  summary: "Read a job",
  description:
    "Every server key can read the jobs of webhooks. Other jobs can be read with a key of the same name as the one that created them.",
  callers: ["serverKey"],
  parameters: [jobId],
  responses: { 200: { description: "The job.", content: { "application/json": schemaRef("JobView") } } },
  failures: ["id"],
  examples: {
    completed: {
      summary: "A job with an answer",
      parameters: { id: JOB_ID },
      status: 200,
      response: {
        job: JOB_ID,
        status: "completed",
        created_at: 1_795_387_629,
        answer: {
          id: ANSWER_ID,
          previous_response_id: null,
          created_at: 1_795_387_630,
          model: "gpt-6-luna",
          status: "completed",
          text: "Nothing went wrong.",
          usage: { input_tokens: 5, cached_tokens: 0, output_tokens: 5, reasoning_tokens: 0, total_tokens: 10 },
          metadata: { week: "47" },
          cost_usd: 0.000003,
        },
        delivery: { status: "delivered", attempts: [{ at: 1_795_387_631, status: 200, error: null }], next_at: null },
        metadata: { week: "47" },
      },
    },
    unknown_job: {
      summary: "A job that does not exist",
      parameters: { id: "job_0" },
      status: 404,
      response: problemExample(
        "not_found",
        "There is no job with this id. Check the id; a job is stored for 30 days.",
        "id",
      ),
    },
  },
};

const redeliver: Operation = {
  path: "/jobs/{id}/redeliver",
  method: "post",
  operationId: "redeliverJob",
  tag: "Jobs and webhooks",
  summary: "Deliver a job's outcome again",
  description:
    "Repeats only the delivery, with the same `webhook-id`. The job must have a callback and must have ended.",
  callers: ["serverKey"],
  parameters: [jobId],
  responses: {
    202: {
      description: "The delivery is started.",
      headers: ["location"],
      content: { "application/json": schemaRef("JobAccepted") },
    },
  },
  failures: ["id"],
  examples: {
    again: {
      summary: "A job that has ended",
      parameters: { id: JOB_ID },
      status: 202,
      response: { job: JOB_ID, status: "completed" },
    },
  },
};

export const jobsOperations = [hook, postJob, getJob, redeliver];
