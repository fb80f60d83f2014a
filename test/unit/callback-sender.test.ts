// One attempt at a delivery over real HTTP. For each behavior of the receiver, the result names the outcome and contains no secret.
import type { ServerResponse } from "node:http";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { CallbackContent } from "../../src/core/callbacks/callback-request.ts";
import { nextDelivery } from "../../src/core/callbacks/outcome.ts";
import type { CallbackRequest } from "../../src/core/config/config-schema.ts";
import { type CallbackSettings, createCallbackSender } from "../../src/platform/callback.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const SECRET = "whsec_Y2FuYXJ5IHNlY3JldCBvZiB0aGUgQ1JNISEh";
const WHOLE_MS = 10_000;
const SHORT_MS = 150;
const content: CallbackContent = {
  event: {
    id: "job_1",
    job: "job_1",
    hook: "triage",
    endedAt: Date.UTC(2026, 10, 25),
    metadata: {},
    answer: null,
    error: { message: "canary words", type: "t", code: "c" },
  },
};

const running: Receiver[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((receiver) => receiver.stop()));
});
async function receiver(answer: (response: ServerResponse) => void): Promise<Receiver> {
  const started = await startReceiver(answer);
  running.push(started);
  return started;
}

/** One attempt to this url, with a clock that advances 7 ms each time it is read. */
async function send(url: string, settings: Partial<CallbackSettings> = {}, what = content, ownOrigin?: string) {
  let clock = Date.now();
  const sent = await createCallbackSender({
    callbacks: { crm: { url, auth: { standard: "CRM_SECRET" } } },
    fetcher: fetch,
    now: () => (clock += 7),
    timeoutMs: WHOLE_MS,
    local: true,
    secretOf: (name) => (name === "CRM_SECRET" ? SECRET : undefined),
    ownOrigins: [],
    ...settings,
  })("crm", what, ownOrigin);
  // The result is plain data and contains nothing of the request or the receiver.
  expect(JSON.parse(JSON.stringify(sent))).toEqual(sent);
  expect(JSON.stringify(sent)).not.toMatch(/canary|whsec|127\.0\.0\.1|localhost|evil|example\.com|slack\.com/);
  return sent;
}
/** Sends every request to the receiver on loopback, whatever host its URL names. */
const redirectTo =
  ({ url }: Receiver): typeof fetch =>
  (_, init) =>
    fetch(url, init);
const status =
  (code: number, headers: Record<string, string> = {}, body = "canary words of the receiver") =>
  (response: ServerResponse): void =>
    void response.writeHead(code, headers).end(body);

describe("a receiver that responds", () => {
  test("with 200 gets the event once, with a signature that the reference library verifies", async () => {
    const crm = await receiver(status(200));
    const { attempt, outcome } = await send(crm.url);
    expect(outcome).toEqual({ kind: "delivered" });
    expect(attempt).toEqual({ at: expect.any(Number), status: 200, error: null, ms: expect.any(Number) });
    expect(attempt.ms % 7).toBe(0);
    expect(crm.received).toHaveLength(1);
    const [callback] = crm.received;
    expect(callback).toMatchObject({
      method: "POST",
      path: "/in",
      headers: { "webhook-id": "job_1", "user-agent": "uniapi-edge" },
    });
    expect(callback?.headers["webhook-timestamp"]).toBe(String(Math.floor(attempt.at / 1_000)));
    expect(new Webhook(SECRET).verify(callback?.body ?? "", callback?.headers as Record<string, string>)).toMatchObject(
      {
        type: "response.failed",
      },
    );
  });

  test("with 204 and no body gets the request that `output` returned", async () => {
    const crm = await receiver((response) => void response.writeHead(204).end());
    const returned: CallbackRequest = {
      path: "/tickets/7?x=1",
      method: "PUT",
      headers: { "X-Kind": "reply" },
      body: { text: "hi" },
    };
    expect((await send(crm.url, {}, { ...content, output: { returned } })).outcome).toEqual({ kind: "delivered" });
    expect(crm.received).toMatchObject([
      { method: "PUT", path: "/tickets/7?x=1", body: '{"text":"hi"}', headers: { "x-kind": "reply" } },
    ]);
  });

  test("with 500 gets the next attempt by the schedule", async () => {
    const crm = await receiver(status(500));
    const { attempt, outcome } = await send(crm.url);
    expect(attempt).toMatchObject({ status: 500, error: "status 500" });
    expect(nextDelivery(1, outcome)).toEqual({ retryInMs: 5_000 });
  });

  test.each([301, 302, 303, 307, 308])(
    "with %i gets another attempt, and its Location gets no request",
    async (code) => {
      const evil = await receiver(status(200));
      const crm = await receiver(status(code, { location: evil.url }));
      const { attempt, outcome } = await send(crm.url);
      expect(attempt).toMatchObject({ status: code, error: "redirect not followed" });
      expect(nextDelivery(2, outcome)).toEqual({ retryInMs: 300_000 });
      expect([crm.received.length, evil.received.length]).toEqual([1, 0]);
    },
  );

  test("with 410 gets no other attempt", async () => {
    const crm = await receiver(status(410));
    const { attempt, outcome } = await send(crm.url);
    expect(attempt).toMatchObject({ status: 410, error: "gone" });
    expect(nextDelivery(1, outcome)).toEqual({ stopped: "gone" });
  });

  test.each([
    [429, "900", 900_000],
    [503, "900", 900_000],
    [503, "99999999", 43_200_000],
  ])("with %i and Retry-After %s gets the next attempt after %i ms", async (code, seconds, retryInMs) => {
    const crm = await receiver(status(code, { "retry-after": seconds }));
    expect(nextDelivery(1, (await send(crm.url)).outcome)).toEqual({ retryInMs });
  });
});

describe("a receiver that fails", () => {
  test("a silent receiver times out, and its connection is closed", async () => {
    const crm = await receiver(() => undefined);
    const { attempt, outcome } = await send(crm.url, { timeoutMs: SHORT_MS });
    expect(attempt).toMatchObject({ status: null, error: "timed out" });
    expect(nextDelivery(8, outcome)).toEqual({ stopped: "no attempt left; the last one failed: timed out" });
    await crm.closed;
  });

  test("a silent receiver times out even if fetch ignores the signal", async () => {
    const { attempt } = await send("http://localhost:1/in", {
      timeoutMs: SHORT_MS,
      fetcher: () => new Promise(() => undefined),
    });
    expect(attempt).toMatchObject({ status: null, error: "timed out" });
  });

  test("a reset and a refused connection are failed connections", async () => {
    const crm = await receiver((response) => response.socket?.resetAndDestroy());
    expect((await send(crm.url)).attempt).toMatchObject({ status: null, error: "connection failed" });
    await crm.stop();
    expect((await send(crm.url)).attempt).toMatchObject({ status: null, error: "connection failed" });
  });

  test("a body that never ends does not delay the outcome, which the status determines", async () => {
    const crm = await receiver((response) => {
      const more = (): void => {
        while (response.write("x".repeat(65_536)));
      };
      response.writeHead(200).on("drain", more);
      more();
    });
    expect((await send(crm.url)).outcome).toEqual({ kind: "delivered" });
    await crm.closed;
  });

  test("no timer is left running, whether the attempt succeeds or fails", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const answer = { fetcher: async () => new Response("ok") };
      await send("https://crm.example.com/in", answer);
      await send("https://slack.com/api", answer);
      await send("https://crm.example.com/in", { fetcher: () => Promise.reject(new Error("canary")) });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("Slack", () => {
  const SLACK = "https://slack.com/api/chat.postMessage";

  test("has accepted the message only if the body says ok", async () => {
    const slack = await receiver(status(200, {}, '{"ok":true}'));
    expect((await send(SLACK, { fetcher: redirectTo(slack) })).outcome).toEqual({ kind: "delivered" });
    const full = await receiver(status(200, { "retry-after": "30" }, '{"ok":false,"error":"ratelimited"}'));
    const { attempt, outcome } = await send(SLACK, { fetcher: redirectTo(full) });
    expect(attempt).toMatchObject({ status: 200, error: "slack ratelimited" });
    expect(nextDelivery(1, outcome)).toEqual({ retryInMs: 30_000 });
  });

  test("has accepted the message if an incoming webhook says ok in plain text", async () => {
    const slack = await receiver(status(200, { "content-type": "text/html" }, "ok"));
    expect((await send("https://hooks.slack.com/services/x", { fetcher: redirectTo(slack) })).outcome).toEqual({
      kind: "delivered",
    });
  });

  test("has refused the message if the status is an error, regardless of the body", async () => {
    const slack = await receiver(status(500, {}, '{"ok":false,"error":"no_text"}'));
    expect((await send(SLACK, { fetcher: redirectTo(slack) })).outcome).toEqual({
      kind: "failed",
      reason: "status 500",
    });
  });

  test("has accepted the message if the body is longer than any error", async () => {
    const slack = await receiver(status(200, {}, JSON.stringify({ ok: true, message: "x".repeat(70_000) })));
    expect((await send(SLACK, { fetcher: redirectTo(slack) })).outcome).toEqual({ kind: "delivered" });
  });

  test("has not accepted the message if the response never ends or breaks off", async () => {
    const slow = await receiver((response) => void response.writeHead(200).write('{"ok":'));
    expect((await send(SLACK, { fetcher: redirectTo(slow), timeoutMs: 3 * SHORT_MS })).attempt).toMatchObject({
      status: 200,
      error: "timed out",
    });
    await slow.closed;
    const broken = await receiver((response) => {
      response.writeHead(200, { "content-length": "100" }).write('{"ok":', () => response.socket?.resetAndDestroy());
    });
    expect((await send(SLACK, { fetcher: redirectTo(broken) })).attempt).toMatchObject({
      status: 200,
      error: "connection failed",
    });
  });

  test("is the only receiver for which ok:false is an error", async () => {
    const crm = await receiver(status(200, {}, '{"ok":false,"error":"no_text"}'));
    expect((await send(crm.url)).outcome).toEqual({ kind: "delivered" });
  });
});

describe("nothing is sent", () => {
  const never: typeof fetch = () => Promise.reject(new Error("fetch was called"));
  const refusalOf = async (
    url: string,
    settings: Partial<CallbackSettings> = {},
    what = content,
    ownOrigin?: string,
  ) => {
    const { attempt, outcome } = await send(url, { fetcher: never, ...settings }, what, ownOrigin);
    expect(attempt).toMatchObject({
      status: null,
      error: expect.stringMatching(/^misconfigured: This Worker's setting /),
    });
    expect(outcome.kind).toBe("final");
    expect(nextDelivery(1, outcome)).toEqual({ stopped: attempt.error });
    return attempt.error;
  };

  test("without the secret", async () => {
    expect(await refusalOf("https://crm.example.com", { secretOf: () => undefined })).toContain(
      "CRM_SECRET is not set",
    );
  });
  test("to a callback that the config no longer has, or never had", async () => {
    expect(await refusalOf("https://crm.example.com", { callbacks: {} })).toContain(
      "callbacks.crm (src/config.ts) no longer exists",
    );
    const callbacks = Object.create({ crm: { url: "https://crm.example.com" } }) as CallbackSettings["callbacks"];
    expect(await refusalOf("https://crm.example.com", { callbacks })).toContain("no longer exists");
  });
  test("to loopback in production", async () => {
    expect(await refusalOf("http://localhost:3000/in", { local: false })).toContain("ENVIRONMENT=local only");
  });
  test("to an IP address, even if the config did not refuse it", async () => {
    expect(await refusalOf("https://169.254.169.254/in")).toContain("not an IP address");
  });
  test("to the Worker, by its public_url or by the address under which the job came in", async () => {
    expect(await refusalOf("https://ask.example.com/ask", { ownOrigins: ["https://ask.example.com"] })).toContain(
      "this Worker itself",
    );
    expect(await refusalOf("https://w.workers.dev/ask", {}, content, "https://w.workers.dev")).toContain(
      "this Worker itself",
    );
  });
  test("to a path on another origin", async () => {
    const output = { returned: { path: "//evil.example", body: "canary" } };
    expect(await refusalOf("https://crm.example.com", {}, { ...content, output })).toContain("hooks.triage.output");
  });
});
