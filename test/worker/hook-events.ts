// Signed events, the jobs that they start, and the callbacks that the receiver got.
import { env } from "cloudflare:workers";
import { introspectWorkflow } from "cloudflare:test";
import { expect, inject, vi } from "vitest";
import type { JobView } from "../../src/contract/job.ts";
import type { JobRecord } from "../../src/durable/job-record.ts";
import { configInput } from "./config.ts";
import type { ReceivedCallback, ScriptedResponse } from "../support/callback-receiver.ts";
import { startWorker, type WorkerUnderTest } from "./worker.ts";

const secretOf = (name: string): string => String((env as unknown as Record<string, unknown>)[name]);

export const startHookWorker = (settings: Record<string, unknown> = {}): WorkerUnderTest =>
  startWorker(configInput, settings);

export interface Acknowledged {
  status: string;
  job: string;
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(text));

/** A request as GitHub sends it. */
export async function githubEvent(payload: object, headers: Record<string, string> = {}): Promise<RequestInit> {
  const body = JSON.stringify(payload);
  const mac = await hmac(bytesOf(secretOf("GITHUB_WEBHOOK_SECRET")), body);
  const signature = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": "issues",
      "x-github-delivery": crypto.randomUUID(),
      "x-hub-signature-256": `sha256=${signature}`,
      ...headers,
    },
  };
}

export const issueOpened = (body: string, sender: object = { login: "ada", type: "User" }): object => ({
  action: "opened",
  issue: { number: 7, body },
  repository: { name: callbackNameOf(body) },
  sender,
});

/** The text without spaces: a path of the receiver for one test. */
export const callbackNameOf = (text: string): string => text.replaceAll(/[^\w-]/g, "-");

/** A request as Standard Webhooks define it. @param raw sends `payload` as the body itself, not as JSON */
export async function standardEvent(
  payload: unknown,
  id = `msg_${crypto.randomUUID()}`,
  raw = false,
): Promise<RequestInit> {
  const body = raw ? String(payload) : JSON.stringify(payload);
  const time = String(Math.floor(Date.now() / 1_000));
  const key = Uint8Array.from(atob(secretOf("STANDARD_SECRET").slice("whsec_".length)), (char) => char.charCodeAt(0));
  const signature = `v1,${btoa(String.fromCharCode(...(await hmac(key, `${id}.${time}.${body}`))))}`;
  return {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": time,
      "webhook-signature": signature,
    },
  };
}

export const telegramUpdate = (update: object): RequestInit => ({
  method: "POST",
  body: JSON.stringify(update),
  headers: { "content-type": "application/json", "x-telegram-bot-api-secret-token": secretOf("TELEGRAM_SECRET") },
});

/** Skips all delays of jobs that start from now on. */
export async function skipDelays(): Promise<Awaited<ReturnType<typeof introspectWorkflow>>> {
  const introspector = await introspectWorkflow(env.JOBS);
  await introspector.modifyAll(async (instance) => {
    await instance.disableSleeps();
    await instance.disableRetryDelays();
  });
  return introspector;
}

/** A record by its methods. RPC's own types fail on a payload of type unknown. */
export const recordOf = (
  job: string,
): DurableObjectStub & Pick<JobRecord, "accept" | "begin" | "postpone" | "finish" | "readDeliverable" | "view"> =>
  env.JOB_RECORDS.getByName(job) as never;

export async function viewOf(worker: WorkerUnderTest, job: string): Promise<JobView> {
  const response = await worker.get(`/jobs/${job}`);
  expect(response.status).toBe(200);
  return await response.json<JobView>();
}

/** The job once it has ended and its delivery is over. */
export async function waitForEnd(worker: WorkerUnderTest, job: string): Promise<JobView> {
  return await vi.waitFor(
    async () => {
      const view = await viewOf(worker, job);
      expect(["completed", "failed"], JSON.stringify(view)).toContain(view.status);
      expect(view.delivery?.status).not.toBe("pending");
      return view;
    },
    { timeout: 10_000, interval: 20 },
  );
}

export async function scriptResponses(name: string, script: readonly ScriptedResponse[]): Promise<void> {
  await fetch(`${inject("receiverUrl")}/script/${name}`, { method: "PUT", body: JSON.stringify(script) });
}

export async function receivedCallbacks(name: string): Promise<ReceivedCallback[]> {
  return await (await fetch(`${inject("receiverUrl")}/received/${name}`)).json<ReceivedCallback[]>();
}
