// Webhooks, jobs and callbacks as `wrangler deploy` would upload them, over real HTTP on all three sides. Events are signed by GitHub's own
// library, callbacks verified by that of Standard Webhooks.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { JobView } from "../../src/core/jobs/job.ts";
import { type Emulator, type ReceivedRequest, startEmulator } from "../emulator/emulator.ts";
import { type Received, type Receiver, startReceiver } from "../support/receiver.ts";
import { bundleOf } from "./bundle.ts";
import {
  errorOf,
  type Got,
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
/** What the receiver answers with, from now on. */
let status: number;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  receiver = await startReceiver((response) => response.writeHead(status).end());
  const config = readFileSync("test/fixtures/config-hooks.ts", "utf8").replace("http://localhost:9/in", receiver.url);
  // Usage is told as seldom as in production, or more seldom: no answer and no callback may wait for that.
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

const marked = (): string => `${PROMPT} ${randomUUID()}`;
const askedWith = (text: string): ReceivedRequest[] => emulator.received.filter(({ raw }) => raw.includes(text));
const toldOf = (job: unknown): Received[] => receiver.got.filter(({ headers }) => headers["webhook-id"] === job);

/** An issue that somebody has opened, as GitHub tells of it. */
async function opened(hook: string, text: string, signature?: string): Promise<Got> {
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

/** The job once it is over, its delivery included. */
async function ended(job: unknown): Promise<JobView> {
  return await until(async () => {
    const view = await viewOf(job);
    expect(["completed", "failed"]).toContain(view.status);
    expect(view.delivery?.status).not.toBe("pending");
    return view;
  });
}

test("an event is acknowledged before upstream has said a word; its answer is posted on, signed with both secrets", async () => {
  const text = marked();
  const got = await opened("slow", text);
  expect(askedWith(text).map(({ ended }) => ended)).not.toContain("complete");
  expect([got.status, json(got)]).toEqual([
    202,
    { status: "accepted", job: expect.stringMatching(/^job_[\w-]{43}$/) as string },
  ]);
  const { job } = json(got);
  expect(["queued", "running"]).toContain((await viewOf(job)).status);

  const { answer, delivery } = await ended(job);
  expect(answer?.text).toContain(text);
  expect(delivery).toMatchObject({ attempts: [{ status: 204, error: null }] });
  const [told] = toldOf(job);
  for (const secret of [NEW_CRM_SECRET, OLD_CRM_SECRET]) {
    expect(new Webhook(secret).verify(told?.body ?? "", told?.headers as Record<string, string>)).toEqual({
      type: "response.completed",
      timestamp: expect.any(String) as string,
      data: { job, hook: "slow", answer, metadata: {} },
    });
  }
});

test("an event that comes twenty times at once is one job, one call and one callback", async () => {
  const text = marked();
  const got = await Promise.all(Array.from({ length: 20 }, () => opened("triage", text)));
  expect(got.map((one) => [one.status, json(one)["status"]]).toSorted()).toEqual([
    ...Array.from({ length: 19 }, () => [200, "duplicate"]),
    [202, "accepted"],
  ]);
  const jobs = [...new Set(got.map((one) => json(one)["job"]))];
  expect(jobs).toHaveLength(1);
  await ended(jobs[0]);
  expect([askedWith(text).length, toldOf(jobs[0]).length]).toEqual([1, 1]);
});

test("an event that another has signed is refused, and nothing is asked", async () => {
  const text = marked();
  const got = await opened("triage", text, `sha256=${"0".repeat(64)}`);
  expect([got.status, errorOf(got).code]).toEqual([401, "invalid_credentials"]);
  expect(askedWith(text)).toEqual([]);
});

test("a job is posted, read by its owner alone, and delivered again without being asked again", async () => {
  status = 410;
  const text = marked();
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
  expect(await ended(job)).toMatchObject({
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
  const { answer, delivery } = await ended(job);
  expect(delivery).toMatchObject({ status: "delivered", attempts: [{ status: 410 }, { status: 200 }] });
  expect([askedWith(text).length, toldOf(job).length]).toEqual([1, 2]);
  for (const { body, headers } of toldOf(job)) {
    expect(new Webhook(NEW_CRM_SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
      data: { job, hook: null, answer, metadata: { order: "7" } },
    });
  }
});

test("a sender who waits and leaves gets the answer when it asks again: it was made, and paid once", async () => {
  const text = marked();
  const update = { update_id: 734_091_825, message: { text, chat: { id: 5 }, from: { id: 5, is_bot: false } } };
  const headers = { "x-telegram-bot-api-secret-token": SECRETS.TELEGRAM_SECRET };
  const socket = await worker.open(update, headers, undefined, "/hooks/waiting");
  await until(() => expect(askedWith(text)).toHaveLength(1));
  socket.resetAndDestroy();
  await until(async () => {
    const got = await worker.send("/hooks/waiting", { method: "POST", body: update, headers });
    expect(json(got)).toEqual({ method: "sendMessage", chat_id: 5, text: expect.stringContaining(text) as string });
  });
  expect(askedWith(text).map(({ ended }) => ended)).toEqual(["complete"]);
});

test("what the receiver gets holds no secret; what was asked stands in records, and in no line of log", () => {
  const got = JSON.stringify(receiver.got);
  for (const secret of [
    UPSTREAM_KEY,
    SERVER_KEY,
    OTHER_SERVER_KEY,
    ...Object.values(SECRETS).flatMap((value) => value.split(",")),
  ]) {
    expect(got).not.toContain(secret);
  }
  // The guard of `stop` has something to look at.
  expect(worker.objects()).toContain(PROMPT);
  expect(worker.log().map(({ event }) => event)).toEqual(expect.arrayContaining(["request", "job", "delivery"]));
});
