// One try of a callback over real HTTP: whatever the receiver does, the record says what became of it, and nothing that was secret.
import type { ServerResponse } from "node:http";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { CallbackContent } from "../../src/core/callbacks/callback-request.ts";
import { nextDelivery } from "../../src/core/callbacks/outcome.ts";
import type { CallbackRequest } from "../../src/core/config/config-schema.ts";
import { type CallbackSettings, callbackSender } from "../../src/platform/callback.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const SECRET = "whsec_Y2FuYXJ5IHNlY3JldCBvZiB0aGUgQ1JNISEh";
const WHOLE_MS = 10_000;
const SHORT_MS = 150;
const delivery: CallbackContent = {
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

/** One try to this url; a clock that moves 7 ms at each look. */
async function send(url: string, settings: Partial<CallbackSettings> = {}, what = delivery, ownOrigin?: string) {
  let clock = Date.now();
  const sent = await callbackSender({
    callbacks: { crm: { url, auth: { standard: "CRM_SECRET" } } },
    fetcher: fetch,
    now: () => (clock += 7),
    deadline: WHOLE_MS,
    local: true,
    secretOf: (name) => (name === "CRM_SECRET" ? SECRET : undefined),
    ownOrigins: [],
    ...settings,
  })("crm", what, ownOrigin);
  // The record is plain data, and holds nothing of what was sent or who got it.
  expect(JSON.parse(JSON.stringify(sent))).toEqual(sent);
  expect(JSON.stringify(sent)).not.toMatch(/canary|whsec|127\.0\.0\.1|localhost|evil|example\.com|slack\.com/);
  return sent;
}
/** https hosts, played by a receiver on loopback. */
const playedBy =
  ({ url }: Receiver): typeof fetch =>
  (_, init) =>
    fetch(url, init);
const status =
  (code: number, headers: Record<string, string> = {}, body = "canary words of the receiver") =>
  (response: ServerResponse): void =>
    void response.writeHead(code, headers).end(body);

describe("a receiver that answers", () => {
  test("200 has got the event once, signed so that the reference library verifies it", async () => {
    const crm = await receiver(status(200));
    const { attempt, outcome } = await send(crm.url);
    expect(outcome).toEqual({ kind: "delivered" });
    expect(attempt).toEqual({ at: expect.any(Number), status: 200, error: null, ms: expect.any(Number) });
    expect(attempt.ms % 7).toBe(0);
    expect(crm.got).toHaveLength(1);
    const [got] = crm.got;
    expect(got).toMatchObject({
      method: "POST",
      path: "/in",
      headers: { "webhook-id": "job_1", "user-agent": "uniapi-edge" },
    });
    expect(got?.headers["webhook-timestamp"]).toBe(String(Math.floor(attempt.at / 1_000)));
    expect(new Webhook(SECRET).verify(got?.body ?? "", got?.headers as Record<string, string>)).toMatchObject({
      type: "response.failed",
    });
  });

  test("204 without a body has got what output made", async () => {
    const crm = await receiver((response) => void response.writeHead(204).end());
    const returned: CallbackRequest = {
      path: "/tickets/7?x=1",
      method: "PUT",
      headers: { "X-Kind": "reply" },
      body: { text: "hi" },
    };
    expect((await send(crm.url, {}, { ...delivery, output: { returned } })).outcome).toEqual({ kind: "delivered" });
    expect(crm.got).toMatchObject([
      { method: "PUT", path: "/tickets/7?x=1", body: '{"text":"hi"}', headers: { "x-kind": "reply" } },
    ]);
  });

  test("500 failed, and is asked again after the schedule", async () => {
    const crm = await receiver(status(500));
    const { attempt, outcome } = await send(crm.url);
    expect(attempt).toMatchObject({ status: 500, error: "status 500" });
    expect(nextDelivery(1, outcome)).toEqual({ retryInMs: 5_000 });
  });

  test.each([301, 302, 303, 307, 308])("%i failed, and the place that it names gets nothing", async (code) => {
    const evil = await receiver(status(200));
    const crm = await receiver(status(code, { location: evil.url }));
    const { attempt, outcome } = await send(crm.url);
    expect(attempt).toMatchObject({ status: code, error: "redirect not followed" });
    expect(nextDelivery(2, outcome)).toEqual({ retryInMs: 300_000 });
    expect([crm.got.length, evil.got.length]).toEqual([1, 0]);
  });

  test("410 is not asked again", async () => {
    const crm = await receiver(status(410));
    const { attempt, outcome } = await send(crm.url);
    expect(attempt).toMatchObject({ status: 410, error: "gone" });
    expect(nextDelivery(1, outcome)).toEqual({ stopped: "gone" });
  });

  test.each([
    [429, "900", 900_000],
    [503, "900", 900_000],
    [503, "99999999", 43_200_000],
  ])("%i with Retry-After %s is asked again then", async (code, seconds, retryInMs) => {
    const crm = await receiver(status(code, { "retry-after": seconds }));
    expect(nextDelivery(1, (await send(crm.url)).outcome)).toEqual({ retryInMs });
  });
});

describe("a receiver that does not", () => {
  test("by silence has timed out, and is let go", async () => {
    const crm = await receiver(() => undefined);
    const { attempt, outcome } = await send(crm.url, { deadline: SHORT_MS });
    expect(attempt).toMatchObject({ status: null, error: "timed out" });
    expect(nextDelivery(8, outcome)).toEqual({ stopped: "no try left, the last: timed out" });
    await crm.closed;
  });

  test("by silence has timed out even where fetch does not listen", async () => {
    const { attempt } = await send("http://localhost:1/in", {
      deadline: SHORT_MS,
      fetcher: () => new Promise(() => undefined),
    });
    expect(attempt).toMatchObject({ status: null, error: "timed out" });
  });

  test("by a reset, or by not being there, has no connection", async () => {
    const crm = await receiver((response) => response.socket?.resetAndDestroy());
    expect((await send(crm.url)).attempt).toMatchObject({ status: null, error: "connection failed" });
    await crm.stop();
    expect((await send(crm.url)).attempt).toMatchObject({ status: null, error: "connection failed" });
  });

  test("end its body is not waited for: the status has said it", async () => {
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

  test("leaves no clock behind", async () => {
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

  test("has taken it only where the body says ok", async () => {
    const slack = await receiver(status(200, {}, '{"ok":true}'));
    expect((await send(SLACK, { fetcher: playedBy(slack) })).outcome).toEqual({ kind: "delivered" });
    const full = await receiver(status(200, { "retry-after": "30" }, '{"ok":false,"error":"ratelimited"}'));
    const { attempt, outcome } = await send(SLACK, { fetcher: playedBy(full) });
    expect(attempt).toMatchObject({ status: 200, error: "slack ratelimited" });
    expect(nextDelivery(1, outcome)).toEqual({ retryInMs: 30_000 });
  });

  test("has taken it where the webhook says ok in plain text", async () => {
    const slack = await receiver(status(200, { "content-type": "text/html" }, "ok"));
    expect((await send("https://hooks.slack.com/services/x", { fetcher: playedBy(slack) })).outcome).toEqual({
      kind: "delivered",
    });
  });

  test("is judged by its status where that is no success", async () => {
    const slack = await receiver(status(500, {}, '{"ok":false,"error":"no_text"}'));
    expect((await send(SLACK, { fetcher: playedBy(slack) })).outcome).toEqual({ kind: "failed", reason: "status 500" });
  });

  test("has taken it where the body is longer than any refusal", async () => {
    const slack = await receiver(status(200, {}, JSON.stringify({ ok: true, message: "x".repeat(70_000) })));
    expect((await send(SLACK, { fetcher: playedBy(slack) })).outcome).toEqual({ kind: "delivered" });
  });

  test("whose body does not come, or breaks, has not said so", async () => {
    const slow = await receiver((response) => void response.writeHead(200).write('{"ok":'));
    expect((await send(SLACK, { fetcher: playedBy(slow), deadline: 3 * SHORT_MS })).attempt).toMatchObject({
      status: 200,
      error: "timed out",
    });
    await slow.closed;
    const broken = await receiver((response) => {
      response.writeHead(200, { "content-length": "100" }).write('{"ok":', () => response.socket?.resetAndDestroy());
    });
    expect((await send(SLACK, { fetcher: playedBy(broken) })).attempt).toMatchObject({
      status: 200,
      error: "connection failed",
    });
  });

  test("elsewhere ok:false is somebody's own words", async () => {
    const crm = await receiver(status(200, {}, '{"ok":false,"error":"no_text"}'));
    expect((await send(crm.url)).outcome).toEqual({ kind: "delivered" });
  });
});

describe("nothing is sent", () => {
  const never: typeof fetch = () => Promise.reject(new Error("it was asked"));
  const refused = async (
    url: string,
    settings: Partial<CallbackSettings> = {},
    what = delivery,
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
    expect(await refused("https://crm.example.com", { secretOf: () => undefined })).toContain("CRM_SECRET is not set");
  });
  test("to a callback that the config has no more, or never had", async () => {
    expect(await refused("https://crm.example.com", { callbacks: {} })).toContain(
      "callbacks.crm (src/config.ts) is not there any more",
    );
    const callbacks = Object.create({ crm: { url: "https://crm.example.com" } }) as CallbackSettings["callbacks"];
    expect(await refused("https://crm.example.com", { callbacks })).toContain("is not there any more");
  });
  test("to loopback in production", async () => {
    expect(await refused("http://localhost:3000/in", { local: false })).toContain("ENVIRONMENT=local only");
  });
  test("to an address, though the config let it through", async () => {
    expect(await refused("https://169.254.169.254/in")).toContain("not an IP address");
  });
  test("to the Worker, by its public_url or by the address that the job came in at", async () => {
    expect(await refused("https://ask.example.com/ask", { ownOrigins: ["https://ask.example.com"] })).toContain(
      "this Worker itself",
    );
    expect(await refused("https://w.workers.dev/ask", {}, delivery, "https://w.workers.dev")).toContain(
      "this Worker itself",
    );
  });
  test("to a path that leaves the origin", async () => {
    const output = { returned: { path: "//evil.example", body: "canary" } };
    expect(await refused("https://crm.example.com", {}, { ...delivery, output })).toContain("hooks.triage.output");
  });
});
