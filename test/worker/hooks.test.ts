// POST /hooks/{name} with the real record and the real Workflow in workerd: events are verified, acknowledged, answered and delivered.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  receivedCallbacks,
  type Acknowledged,
  waitForEnd,
  githubEvent,
  issueOpened,
  callbackNameOf,
  standardEvent,
  startHookWorker,
  telegramUpdate,
  viewOf,
  skipDelays,
} from "./hook-events.ts";
import {
  calls,
  eachTestAlone,
  expectEnvelope,
  uniqueText,
  problemOf,
  receivedRequests,
  startWorker,
  withinOneMinute,
} from "./worker.ts";
import type { ConfigInput } from "../../src/core/config/config-schema.ts";
import { configInput } from "./config.ts";

const log = eachTestAlone();
let engine: Awaited<ReturnType<typeof skipDelays>>;
beforeEach(async () => {
  engine = await skipDelays();
});
afterEach(async () => {
  await engine.dispose();
});

describe("a hook event", () => {
  test("of GitHub is acknowledged, answered with the hook's preset, and the answer is posted as a comment", async () => {
    const worker = startHookWorker();
    const text = uniqueText("It does not start.");
    const response = await worker.send("/hooks/github", await githubEvent(issueOpened(text)));
    expect([response.status, response.headers.get("cache-control")]).toEqual([202, "no-store"]);
    const { status, job } = await response.json<Acknowledged>();
    expect([status, job]).toEqual(["accepted", expect.stringMatching(/^job_[\w-]{43}$/)]);

    const view = await waitForEnd(worker, job);
    expect(view).toMatchObject({
      job,
      status: "completed",
      hook: "github",
      answer: { text: expect.stringContaining(`You said: "${text}"`) as string, status: "completed" },
      delivery: { status: "delivered", attempts: [{ status: 200, error: null }], next_at: null },
    });
    const [call] = await receivedRequests(text);
    expect(call?.body).toMatchObject({
      input: text,
      instructions: "You answer issues.",
      max_output_tokens: 300,
      stream: true,
    });
    expect(await receivedCallbacks(callbackNameOf(text))).toMatchObject([
      {
        method: "POST",
        path: `/in/${callbackNameOf(text)}/issues/7/comments`,
        headers: { authorization: "Bearer callback-canary-5b1f", "content-type": "application/json" },
        body: JSON.stringify({ body: view.answer?.text }),
      },
    ]);
  });

  test("that arrives twenty times in parallel is one job, one upstream call and nineteen duplicates", async () => {
    const worker = startHookWorker();
    const text = uniqueText();
    const event = await githubEvent(issueOpened(text));
    const responses = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await worker.send("/hooks/github", event);
        return { code: response.status, ...(await response.json<Acknowledged>()) };
      }),
    );
    expect(responses.filter(({ status }) => status === "accepted")).toHaveLength(1);
    expect(responses.filter(({ code, status }) => code === 200 && status === "duplicate")).toHaveLength(19);
    expect(new Set(responses.map(({ job }) => job)).size).toBe(1);
    await waitForEnd(worker, responses[0]?.job ?? "");
    expect([await calls(text), (await receivedCallbacks(callbackNameOf(text))).length]).toEqual([1, 1]);
  });

  test("with a new delivery id is a duplicate if the sender signs only the body", async () => {
    const worker = startHookWorker();
    const payload = issueOpened(uniqueText());
    const first = await (await worker.send("/hooks/github", await githubEvent(payload))).json<Acknowledged>();
    const again = await worker.send(
      "/hooks/github",
      await githubEvent(payload, { "x-github-delivery": crypto.randomUUID() }),
    );
    expect([again.status, await again.json()]).toEqual([200, { status: "duplicate", job: first.job }]);
    await waitForEnd(worker, first.job);
  });

  test("is logged with the index of the secret that signed it, and with the sender's id if the id is a plain word", async () => {
    const secret = "a new one,hook-canary-9d41c07be2";
    const worker = startHookWorker({ GITHUB_WEBHOOK_SECRET: secret });
    const id = crypto.randomUUID();
    for (const deliveryId of [id, "two words", "x".repeat(201)]) {
      const { job } = await (
        await worker.send(
          "/hooks/github",
          await githubEvent(issueOpened(uniqueText()), { "x-github-delivery": deliveryId }),
        )
      ).json<Acknowledged>();
      await waitForEnd(worker, job);
    }
    const lines = log.requests().filter(({ route }) => route === "POST /hooks/{name}");
    expect(lines.map((line) => [line["secret"], line["delivery_id"]])).toEqual([
      [1, id],
      [1, undefined],
      [1, undefined],
    ]);
  });

  test("with a signed id is identified by that id, so the same body under another id is a new job", async () => {
    const worker = startHookWorker();
    const payload = { input: uniqueText() };
    const send = async (id: string): Promise<Acknowledged> =>
      await (await worker.send("/hooks/plain", await standardEvent(payload, id))).json();
    const [first, repeat, other] = [await send("msg_1"), await send("msg_1"), await send("msg_2")];
    expect([first.status, repeat.status, other.status]).toEqual(["accepted", "duplicate", "accepted"]);
    expect([repeat.job === first.job, other.job === first.job]).toEqual([true, false]);
    await Promise.all([waitForEnd(worker, first.job), waitForEnd(worker, other.job)]);
  });

  test("is acknowledged before upstream has sent anything", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const { status, job } = await (
      await worker.send("/hooks/stalled", await standardEvent({ input }))
    ).json<Acknowledged>();
    expect(status).toBe("accepted");
    expect(["queued", "running"]).toContain((await viewOf(worker, job)).status);
    await vi.waitFor(async () => expect((await receivedRequests(input)).map(({ ended }) => ended)).toEqual(["open"]), {
      timeout: 1_500,
    });
    expect((await waitForEnd(worker, job)).status).toBe("completed");
  });

  test("is the question itself if the hook has no `input`", async () => {
    const worker = startHookWorker();
    const payload = { type: "invoice.paid", note: uniqueText() };
    const { job } = await (await worker.send("/hooks/no-input", await standardEvent(payload))).json<Acknowledged>();
    const view = await waitForEnd(worker, job);
    expect(view.delivery).toBeUndefined();
    expect((await receivedRequests(payload.note))[0]?.body["input"]).toBe(JSON.stringify(payload));
  });

  test("may be larger than a question, because the limit is for what `input` returns", async () => {
    const worker = startHookWorker();
    const text = uniqueText();
    const event = await githubEvent({ ...issueOpened(text), diff: "x".repeat(900_000) });
    const { status, job } = await (await worker.send("/hooks/github", event)).json<Acknowledged>();
    expect(status).toBe("accepted");
    await waitForEnd(worker, job);
    const large = await worker.send("/hooks/plain", await standardEvent({ input: "x".repeat(300_000) }));
    expect([large.status, (await problemOf(large)).code]).toEqual([413, "payload_too_large"]);
  });

  test.each<[what: string, metadata: (text: string) => unknown, stored: object]>([
    ["the groups of a regular expression", (text) => /(?<first>\w+)/.exec(text)?.groups, { first: "hello" }],
    ["a Proxy", () => new Proxy({ a: "b" }, {}), { a: "b" }],
  ])("may get metadata that is not a plain object: %s", async (_, metadata, stored) => {
    const input = ({ payload }: { payload: unknown }): object => {
      const { body } = (payload as { issue: { body: string } }).issue;
      return { input: body, metadata: metadata(body) };
    };
    const hooks = {
      ...configInput.hooks,
      github: { ...configInput.hooks.github, callback: undefined, output: undefined, input },
    };
    const worker = startWorker({ ...configInput, hooks } as ConfigInput);
    const response = await worker.send("/hooks/github", await githubEvent(issueOpened(uniqueText())));
    expect(response.status).toBe(202);
    const { job } = await response.json<Acknowledged>();
    expect(await waitForEnd(worker, job)).toMatchObject({ status: "completed", metadata: stored });
  });

  test("may continue an earlier answer of the same hook, but not of another hook", async () => {
    const worker = startHookWorker();
    const post = async (hook: string, payload: object): Promise<Response> =>
      worker.send(`/hooks/${hook}`, await standardEvent(payload));
    const first = await (await post("plain", { input: uniqueText("one") })).json<Acknowledged>();
    const { answer } = await waitForEnd(worker, first.job);
    const next = await (
      await post("plain", { input: uniqueText("two"), previous_response_id: answer?.id })
    ).json<Acknowledged>();
    expect((await waitForEnd(worker, next.job)).answer).toMatchObject({
      previous_response_id: answer?.id,
      text: expect.stringMatching(/^Turn 2/) as string,
    });
    const foreign = await (
      await post("limited", { input: uniqueText(), previous_response_id: answer?.id })
    ).json<Acknowledged>();
    expect(await waitForEnd(worker, foreign.job)).toMatchObject({
      status: "failed",
      error: { code: "previous_response_not_found" },
    });
  });
});

describe("a hook event that is ignored", () => {
  test("because `input` returns null gets 200 and calls nothing", async () => {
    const response = await startHookWorker().send(
      "/hooks/github",
      await githubEvent({ ...issueOpened("x"), action: "closed" }),
    );
    expect([response.status, await response.json()]).toEqual([200, { status: "ignored" }]);
  });

  test("because a bot caused it is answered by a hook with `bots: true`", async () => {
    const worker = startHookWorker();
    const text = uniqueText();
    const event = await githubEvent(issueOpened(text, { login: "uniapi-edge[bot]", type: "Bot" }));
    const ignored = await worker.send("/hooks/github", event);
    expect([ignored.status, await ignored.json()]).toEqual([200, { status: "ignored" }]);
    expect(await calls(text)).toBe(0);
    const accepted = await (await worker.send("/hooks/bots", event)).json<Acknowledged>();
    expect(accepted.status).toBe("accepted");
    await waitForEnd(worker, accepted.job);
    expect(await calls(text)).toBe(1);
  });

  test("because it is GitHub's ping gets 200 and starts nothing", async () => {
    const response = await startHookWorker().send(
      "/hooks/github",
      await githubEvent({ zen: "Keep it simple." }, { "x-github-event": "ping" }),
    );
    expect([response.status, await response.json()]).toEqual([200, { status: "ignored" }]);
  });
});

describe("a request that is refused before anything is recorded", () => {
  test("for an unknown hook gets the same 404, signed or not", async () => {
    const worker = startHookWorker();
    const responses = new Set<string>();
    for (const name of ["nobody", "constructor", "__proto__", "GITHUB"]) {
      for (const event of [await githubEvent(issueOpened("x")), { method: "POST", body: "x" }]) {
        const response = await worker.send(`/hooks/${name}`, event);
        responses.add(JSON.stringify([response.status, { ...(await problemOf(response)), request_id: "" }]));
      }
    }
    expect([...responses]).toEqual([expect.stringContaining("[404,")]);
  });

  test.each<[string, (event: RequestInit) => RequestInit]>([
    ["no signature", ({ body }) => ({ method: "POST", body: body ?? null })],
    ["another body", (event) => ({ ...event, body: `${String(event.body)} ` })],
    [
      "another signature",
      (event) => ({ ...event, headers: { ...event.headers, "x-hub-signature-256": `sha256=${"0".repeat(64)}` } }),
    ],
  ])("with %s gets a 401 that names the signature and has no WWW-Authenticate", async (_name, change) => {
    const text = uniqueText();
    const response = await startHookWorker().send("/hooks/github", change(await githubEvent(issueOpened(text))));
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, null]);
    const error = await problemOf(response);
    expect([error.code, error.message]).toEqual(["invalid_credentials", expect.stringContaining("signature")]);
    expect(await calls(text)).toBe(0);
    expect(log.requests()[0]).toMatchObject({
      route: "POST /hooks/{name}",
      caller: "hook",
      hook: "github",
      status: 401,
    });
  });

  test("for a hook whose secret is not set gets a 503 that names the secret", async () => {
    const response = await startHookWorker().send("/hooks/unset", await standardEvent({ input: "x" }));
    expect(response.status).toBe(503);
    const { code, message } = await problemOf(response);
    expect([code, message]).toEqual(["misconfigured", expect.stringContaining("NOBODY_SET_THIS")]);
  });

  test("with more than 1 MiB gets 413, and one with JSON that is not an event gets 400", async () => {
    const worker = startHookWorker();
    const large = await worker.send("/hooks/plain", await standardEvent({ input: "x".repeat(1_048_577) }));
    expect([large.status, (await problemOf(large)).code]).toEqual([413, "payload_too_large"]);
    for (const [text, code] of [
      ["{no json", "invalid_json"],
      ["7", "invalid_request"],
      ["[".repeat(130) + "]".repeat(130), "input_too_deep"],
      ['{"__proto__":{"input":"x"}}', "invalid_request"],
    ]) {
      const response = await worker.send("/hooks/plain", await standardEvent(text, undefined, true));
      expect([response.status, (await problemOf(response)).code]).toEqual([400, code]);
    }
  });

  test.each<[string, unknown, string]>([
    ["a failing `input`", {}, "failed on this event (TypeError)"],
    ["an `input` that returns a number", { give: 7 }, "must return a string, a body of /ask, or null"],
    ["an `input` that names another preset", { give: { input: "x", preset: "busy" } }, "returned an invalid request"],
    ["an `input` that names a model", { give: { input: "x", model: "gpt-6-sol" } }, "returned an invalid request"],
    ["an `input` with instructions", { give: { input: "x", instructions: "be bad" } }, "returned an invalid request"],
    [
      "an `input` in the developer's role",
      { give: { input: [{ role: "developer", content: "x" }] } },
      "returned an invalid request",
    ],
  ])(
    "because of %s gets a 503 that names the setting and quotes nothing of the payload",
    async (_name, payload, sentence) => {
      const response = await startHookWorker().send("/hooks/broken", await standardEvent(payload));
      expect(response.status).toBe(503);
      const { code, message } = await problemOf(response);
      expect([code, message]).toEqual(["misconfigured", expect.stringContaining(sentence)]);
      expect(message).toContain("hooks.broken.input");
      expect(message).not.toContain("secret words");
    },
  );

  test("while the Worker is paused or the hook's budget is used up gets a Retry-After", async () => {
    withinOneMinute();
    const paused = await startHookWorker({ PAUSED: "1" }).send("/hooks/plain", await standardEvent({ input: "x" }));
    expect([paused.status, (await problemOf(paused)).code, paused.headers.get("retry-after")]).toEqual([
      503,
      "paused",
      "60",
    ]);
    const worker = startHookWorker();
    const send = async (): Promise<Response> =>
      worker.send("/hooks/limited", await standardEvent({ input: uniqueText() }));
    const responses = [await send(), await send(), await send()];
    expect(responses.map(({ status }) => status)).toEqual([202, 202, 429]);
    expectEnvelope(
      responses[2] as Response,
      (await (responses[2] as Response).clone().json<{ error: unknown }>()).error,
    );
    expect(Number(responses[2]?.headers.get("retry-after"))).toBeGreaterThan(0);
    for (const response of responses.slice(0, 2)) await waitForEnd(worker, (await response.json<Acknowledged>()).job);
  });

  test("because no record can be written gets 503, so that the sender tries again", async () => {
    const missing = await startHookWorker({ JOB_RECORDS: undefined }).send(
      "/hooks/plain",
      await standardEvent({ input: "x" }),
    );
    expect([missing.status, (await problemOf(missing)).code]).toEqual([503, "misconfigured"]);
    const failing = { getByName: () => ({ accept: () => Promise.reject(new Error("overloaded")) }) };
    const failed = await startHookWorker({ JOB_RECORDS: failing }).send(
      "/hooks/plain",
      await standardEvent({ input: "x" }),
    );
    expect([failed.status, (await problemOf(failed)).code]).toEqual([503, "unavailable"]);
  });

  test("with another method gets 405", async () => {
    const response = await startHookWorker().get("/hooks/plain");
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});

describe("a sender that waits", () => {
  const update = (text: string): object => ({
    update_id: Math.floor(Math.random() * 1e9),
    message: { text, chat: { id: 5 }, from: { is_bot: false } },
  });

  test("gets the body of `output` as the response, and the same one for a repeat", async () => {
    const worker = startHookWorker();
    const text = uniqueText();
    const event = telegramUpdate(update(text));
    const response = await worker.send("/hooks/waiting", event);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    const responses = await response.json<Record<string, unknown>>();
    expect(responses).toEqual({
      method: "sendMessage",
      chat_id: 5,
      text: expect.stringContaining(`You said: "${text}"`) as string,
    });
    const again = await worker.send("/hooks/waiting", event);
    expect([again.status, await again.json()]).toEqual([200, responses]);
    expect(await calls(text)).toBe(1);
  });

  test("gets the same answer for simultaneous requests", async () => {
    const worker = startHookWorker();
    const text = uniqueText();
    const event = telegramUpdate(update(text));
    const responses = await Promise.all(
      Array.from({ length: 5 }, async () => await (await worker.send("/hooks/waiting", event)).json<object>()),
    );
    expect(new Set(responses.map((response) => JSON.stringify(response))).size).toBe(1);
    expect(responses[0]).toMatchObject({ method: "sendMessage" });
    expect(await calls(text)).toBe(1);
  });

  test("gets 503 for a repeat whose answer is not ready within 20 s, and never `duplicate`", async () => {
    const readOutcome = vi.fn(() => Promise.resolve(null));
    const accept = () => Promise.resolve({ accepted: false, status: "running", instance: "other" });
    const worker = startHookWorker({ JOB_RECORDS: { getByName: () => ({ accept, readOutcome }) } });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let isOver = false;
    const pendingResponse = worker
      .send("/hooks/waiting", telegramUpdate(update(uniqueText())))
      .finally(() => (isOver = true));
    const isSent = (): boolean => isOver;
    while (!isSent()) await vi.advanceTimersByTimeAsync(250);
    vi.useRealTimers();
    const response = await pendingResponse;
    const { code } = await problemOf(response);
    expect([response.status, code, response.headers.get("retry-after")]).toEqual([503, "unavailable", "10"]);
    // The record is polled every 250 ms.
    expect(readOutcome).toHaveBeenCalledTimes(81);
  });

  test("gets the answer without a wait for the next report of usage", async () => {
    // With the default interval of ten seconds between reports of usage.
    const worker = startHookWorker({ DEADLINES: "{}" });
    for (const text of [uniqueText(), uniqueText()])
      expect((await worker.send("/hooks/waiting", telegramUpdate(update(text)))).status).toBe(200);
    expect(log.requests().map(({ total_ms }) => Number(total_ms) < 5_000)).toEqual([true, true]);
  });

  test("gets the status of a failure, and a repeat of the event starts the job over", async () => {
    const worker = startHookWorker({ UNIAPI_BASE_URL: "http://127.0.0.1:9" });
    const text = uniqueText();
    const event = telegramUpdate(update(text));
    const failed = await worker.send("/hooks/waiting", event);
    expect([failed.status, (await problemOf(failed)).code]).toEqual([502, "upstream_error"]);
    const again = await startHookWorker().send("/hooks/waiting", event);
    expect(again.status).toBe(200);
    expect(await calls(text)).toBe(1);
  });
});

describe("the budget of a hook", () => {
  test("is separate, with a hold before the call and a settlement after it", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const first = await (await worker.send("/hooks/thrifty", await standardEvent({ input }))).json<Acknowledged>();
    const { answer } = await waitForEnd(worker, first.job);
    const used = (await env.BUDGETS.getByName("hook:thrifty").usage(Date.now())).days[0];
    expect(used).toMatchObject({ tokens: answer?.usage?.total_tokens, held: 0 });
    const second = await (
      await worker.send("/hooks/thrifty", await standardEvent({ input: "x".repeat(4_000) }))
    ).json<Acknowledged>();
    expect(await waitForEnd(worker, second.job)).toMatchObject({
      status: "failed",
      error: { code: "budget_exceeded" },
    });
  });

  test("is released if upstream refuses within its stream, before any output", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await (await worker.send("/hooks/failing", await standardEvent({ input }))).json<Acknowledged>();
    expect((await waitForEnd(worker, job)).tries).toHaveLength(5);
    expect(await calls(input)).toBe(6);
    expect((await env.BUDGETS.getByName("hook:failing").usage(Date.now())).days[0]).toMatchObject({
      tokens: 0,
      held: 0,
    });
  });
});

test("an address over the rate limit gets 429 before its signature is verified", async () => {
  const RATE_LIMIT = { limit: async ({ key }: { key: string }) => ({ success: !key.startsWith("address:") }) };
  const event = await standardEvent({ input: "x" });
  const headers = { ...(event.headers as Record<string, string>), "cf-connecting-ip": "198.51.100.7" };
  const response = await startHookWorker({ RATE_LIMIT }).send("/hooks/plain", { ...event, headers });
  expect([response.status, (await problemOf(response)).code]).toEqual([429, "rate_limited"]);
});

test("a hook counts as a caller, so a Worker with only a hook is configured", async () => {
  const worker = startHookWorker({ ENVIRONMENT: "production", UNIAPI_BASE_URL: "https://upstream.example" });
  expect((await worker.send("https://edge.example/health")).status).toBe(200);
});
