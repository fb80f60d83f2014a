// Webhooks, jobs and callbacks in the bundle that `wrangler deploy` would upload, over real HTTP on all three sides. GitHub's own library
// signs events, and the library of Standard Webhooks verifies callbacks.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { JobView } from "../../src/contract/job.ts";
import { type Emulator, type ReceivedRequest, startEmulator } from "../emulator/emulator.ts";
import { type ReceivedCallback, type Receiver, startReceiver } from "../support/receiver.ts";
import { bundleOf } from "./bundle.ts";
import {
  errorOf,
  type HttpResponse,
  json,
  OTHER_SERVER_KEY,
  PROMPT,
  SERVER_KEY,
  startWorker,
  until,
  UPSTREAM_KEY,
  type Worker,
} from "./worker.ts";

const SECRETS = {
  GITHUB_WEBHOOK_SECRET: "4d1f0b7e93a52c68b0e7",
  TELEGRAM_SECRET: "7c2e9a51d0b8f346ac19",
  CRM_SECRET: "whsec_bmV3IHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=,whsec_b2xkIHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=",
};
const [NEW_CRM_SECRET = "", OLD_CRM_SECRET = ""] = SECRETS.CRM_SECRET.split(",");
const SERVER = { authorization: `Bearer ${SERVER_KEY}` };

let emulator: Emulator;
let receiver: Receiver;
let worker: Worker;
/** The status of the receiver's next responses. */
let status: number;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  receiver = await startReceiver((response) => response.writeHead(status).end());
  const config = readFileSync("test/fixtures/config-hooks.ts", "utf8").replace("http://localhost:9/in", receiver.url);
  // Usage is reported even less often than in production: no answer and no callback may wait for a report.
  worker = await startWorker(emulator.url, { ...SECRETS, DEADLINES: '{"usage":30000}' }, bundleOf(config));
});
beforeEach(() => {
  status = 204;
});
afterAll(async () => {
  await worker.stop();
  await receiver.stop();
  await emulator.close();
});

const uniqueText = (): string => `${PROMPT} ${randomUUID()}`;
const upstreamRequestsWith = (text: string): ReceivedRequest[] =>
  emulator.received.filter(({ raw }) => raw.includes(text));
const callbacksOf = (job: unknown): ReceivedCallback[] =>
  receiver.received.filter(({ headers }) => headers["webhook-id"] === job);

/** Sends the event of an opened issue, as GitHub would. */
async function sendIssueOpened(hook: string, text: string, signature?: string): Promise<HttpResponse> {
  const body = JSON.stringify({
    action: "opened",
    issue: { number: 7, body: text },
    sender: { login: "ada", type: "User" },
  });
  const headers = {
    "content-type": "application/json",
    "x-github-event": "issues",
    "x-github-delivery": randomUUID(),
    "x-hub-signature-256": signature ?? (await sign(SECRETS.GITHUB_WEBHOOK_SECRET, body)),
  };
  return await worker.send(`/hooks/${hook}`, { method: "POST", body, headers });
}

const viewOf = async (job: unknown): Promise<JobView> =>
  json(await worker.send(`/jobs/${String(job)}`, { headers: SERVER })) as unknown as JobView;

/** The job once it has ended and its delivery is over. */
async function waitForEnd(job: unknown): Promise<JobView> {
  return await until(async () => {
    const view = await viewOf(job);
    expect(["completed", "failed"]).toContain(view.status);
    expect(view.delivery?.status).not.toBe("pending");
    return view;
  });
}

test("an event is acknowledged before upstream has sent anything, and its answer is delivered, signed with both secrets", async () => {
  const text = uniqueText();
  const response = await sendIssueOpened("slow", text);
  expect(upstreamRequestsWith(text).map(({ ended }) => ended)).not.toContain("complete");
  expect([response.status, json(response)]).toEqual([
    202,
    { status: "accepted", job: expect.stringMatching(/^job_[\w-]{43}$/) as string },
  ]);
  const { job } = json(response);
  expect(["queued", "running"]).toContain((await viewOf(job)).status);

  const { answer, delivery } = await waitForEnd(job);
  expect(answer?.text).toContain(text);
  expect(delivery).toMatchObject({ attempts: [{ status: 204, error: null }] });
  const [callback] = callbacksOf(job);
  for (const secret of [NEW_CRM_SECRET, OLD_CRM_SECRET]) {
    expect(new Webhook(secret).verify(callback?.body ?? "", callback?.headers as Record<string, string>)).toEqual({
      type: "response.completed",
      timestamp: expect.any(String) as string,
      data: { job, hook: "slow", answer, metadata: {} },
    });
  }
});

test("an event that arrives twenty times in parallel is one job, one call and one callback", async () => {
  const text = uniqueText();
  const responses = await Promise.all(Array.from({ length: 20 }, () => sendIssueOpened("triage", text)));
  expect(responses.map((response) => [response.status, json(response)["status"]]).toSorted()).toEqual([
    ...Array.from({ length: 19 }, () => [200, "duplicate"]),
    [202, "accepted"],
  ]);
  const jobs = [...new Set(responses.map((response) => json(response)["job"]))];
  expect(jobs).toHaveLength(1);
  await waitForEnd(jobs[0]);
  expect([upstreamRequestsWith(text).length, callbacksOf(jobs[0]).length]).toEqual([1, 1]);
});

test("an event with a wrong signature is refused, and upstream is not called", async () => {
  const text = uniqueText();
  const response = await sendIssueOpened("triage", text, `sha256=${"0".repeat(64)}`);
  expect([response.status, errorOf(response).code]).toEqual([401, "invalid_credentials"]);
  expect(upstreamRequestsWith(text)).toEqual([]);
});

test("a posted job can be read only by its owner, and is delivered again without another call", async () => {
  status = 410;
  const text = uniqueText();
  const posted = await worker.send("/jobs", {
    method: "POST",
    headers: SERVER,
    body: { input: text, callback: "crm", metadata: { order: "7" } },
  });
  const { job } = json(posted);
  expect([posted.status, posted.headers["location"], json(posted)]).toEqual([
    202,
    `/jobs/${String(job)}`,
    { job, status: "queued" },
  ]);
  expect(await waitForEnd(job)).toMatchObject({
    status: "completed",
    delivery: { status: "failed", attempts: [{ status: 410, error: "gone" }] },
  });
  const foreign = await worker.send(`/jobs/${String(job)}`, {
    headers: { authorization: `Bearer ${OTHER_SERVER_KEY}` },
  });
  expect([foreign.status, errorOf(foreign).code]).toEqual([404, "not_found"]);

  status = 200;
  const again = await worker.send(`/jobs/${String(job)}/redeliver`, { method: "POST", headers: SERVER });
  expect([again.status, json(again)]).toEqual([202, { job, status: "completed" }]);
  const { answer, delivery } = await waitForEnd(job);
  expect(delivery).toMatchObject({ status: "delivered", attempts: [{ status: 410 }, { status: 200 }] });
  expect([upstreamRequestsWith(text).length, callbacksOf(job).length]).toEqual([1, 2]);
  for (const { body, headers } of callbacksOf(job)) {
    expect(new Webhook(NEW_CRM_SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
      data: { job, hook: null, answer, metadata: { order: "7" } },
    });
  }
});

test("a sender that waits and disconnects gets the answer when it repeats the event, and the call is paid once", async () => {
  const text = uniqueText();
  const update = { update_id: 734_091_825, message: { text, chat: { id: 5 }, from: { id: 5, is_bot: false } } };
  const headers = { "x-telegram-bot-api-secret-token": SECRETS.TELEGRAM_SECRET };
  const socket = await worker.open(update, headers, undefined, "/hooks/waiting");
  await until(() => expect(upstreamRequestsWith(text)).toHaveLength(1));
  socket.resetAndDestroy();
  await until(async () => {
    const response = await worker.send("/hooks/waiting", { method: "POST", body: update, headers });
    expect(json(response)).toEqual({
      method: "sendMessage",
      chat_id: 5,
      text: expect.stringContaining(text) as string,
    });
  });
  expect(upstreamRequestsWith(text).map(({ ended }) => ended)).toEqual(["complete"]);
});

test("no secret reaches the receiver, and the question is in the records but in no log line", () => {
  const sent = JSON.stringify(receiver.received);
  for (const secret of [
    UPSTREAM_KEY,
    SERVER_KEY,
    OTHER_SERVER_KEY,
    ...Object.values(SECRETS).flatMap((value) => value.split(",")),
  ]) {
    expect(sent).not.toContain(secret);
  }
  // `stop` searches the log for the prompt. The records show that there was a prompt to find.
  expect(worker.objects()).toContain(PROMPT);
  expect(worker.log().map(({ event }) => event)).toEqual(expect.arrayContaining(["request", "job", "delivery"]));
});
