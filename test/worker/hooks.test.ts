// POST /hooks/{name}: verified, acknowledged, answered by a job and posted on, with the real record and the real Workflow in workerd.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  callbacks,
  type Acknowledged,
  ended,
  github,
  issue,
  nameOf,
  standard,
  startHooked,
  telegram,
  viewOf,
  withoutPauses,
} from "./hooked.ts";
import {
  calls,
  eachTestAlone,
  expectEnvelope,
  marked,
  problemOf,
  received,
  startWorker,
  withinOneMinute,
} from "./worker.ts";
import type { ConfigInput } from "../../src/core/config/config-schema.ts";
import { configInput } from "./config.ts";

const log = eachTestAlone();
let engine: Awaited<ReturnType<typeof withoutPauses>>;
beforeEach(async () => {
  engine = await withoutPauses();
});
afterEach(async () => {
  await engine.dispose();
});

describe("an event", () => {
  test("of GitHub is acknowledged, answered with the hook's preset and posted as a comment", async () => {
    const worker = startHooked();
    const text = marked("It does not start.");
    const response = await worker.send("/hooks/github", await github(issue(text)));
    expect([response.status, response.headers.get("cache-control")]).toEqual([202, "no-store"]);
    const { status, job } = await response.json<Acknowledged>();
    expect([status, job]).toEqual(["accepted", expect.stringMatching(/^job_[\w-]{43}$/)]);

    const view = await ended(worker, job);
    expect(view).toMatchObject({
      job,
      status: "completed",
      hook: "github",
      answer: { text: expect.stringContaining(`You said: "${text}"`) as string, status: "completed" },
      delivery: { status: "delivered", attempts: [{ status: 200, error: null }], next_at: null },
    });
    const [asked] = await received(text);
    expect(asked?.body).toMatchObject({
      input: text,
      instructions: "You answer issues.",
      max_output_tokens: 300,
      stream: true,
    });
    expect(await callbacks(nameOf(text))).toMatchObject([
      {
        method: "POST",
        path: `/in/${nameOf(text)}/issues/7/comments`,
        headers: { authorization: "Bearer callback-canary-5b1f", "content-type": "application/json" },
        body: JSON.stringify({ body: view.answer?.text }),
      },
    ]);
  });

  test("that comes twenty times at once is one job, one call and nineteen duplicates", async () => {
    const worker = startHooked();
    const text = marked();
    const event = await github(issue(text));
    const said = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await worker.send("/hooks/github", event);
        return { code: response.status, ...(await response.json<Acknowledged>()) };
      }),
    );
    expect(said.filter(({ status }) => status === "accepted")).toHaveLength(1);
    expect(said.filter(({ code, status }) => code === 200 && status === "duplicate")).toHaveLength(19);
    expect(new Set(said.map(({ job }) => job)).size).toBe(1);
    await ended(worker, said[0]?.job ?? "");
    expect([await calls(text), (await callbacks(nameOf(text))).length]).toEqual([1, 1]);
  });

  test("under a new delivery id is a duplicate where only the body is signed", async () => {
    const worker = startHooked();
    const payload = issue(marked());
    const first = await (await worker.send("/hooks/github", await github(payload))).json<Acknowledged>();
    const again = await worker.send(
      "/hooks/github",
      await github(payload, { "x-github-delivery": crypto.randomUUID() }),
    );
    expect([again.status, await again.json()]).toEqual([200, { status: "duplicate", job: first.job }]);
    await ended(worker, first.job);
  });

  test("is logged with the sender's own id of it and which of the secrets it was signed with, unless the id is no plain word", async () => {
    const secret = "a new one,hook-canary-9d41c07be2";
    const worker = startHooked({ GITHUB_WEBHOOK_SECRET: secret });
    const id = crypto.randomUUID();
    for (const named of [id, "two words", "x".repeat(201)]) {
      const { job } = await (
        await worker.send("/hooks/github", await github(issue(marked()), { "x-github-delivery": named }))
      ).json<Acknowledged>();
      await ended(worker, job);
    }
    const lines = log.requests().filter(({ route }) => route === "POST /hooks/{name}");
    expect(lines.map((line) => [line["secret"], line["delivery_id"]])).toEqual([
      [1, id],
      [1, undefined],
      [1, undefined],
    ]);
  });

  test("with a signed id is known by it: the same words under another id are another job", async () => {
    const worker = startHooked();
    const payload = { input: marked() };
    const send = async (id: string): Promise<Acknowledged> =>
      await (await worker.send("/hooks/plain", await standard(payload, id))).json();
    const [one, twin, two] = [await send("msg_1"), await send("msg_1"), await send("msg_2")];
    expect([one.status, twin.status, two.status]).toEqual(["accepted", "duplicate", "accepted"]);
    expect([twin.job === one.job, two.job === one.job]).toEqual([true, false]);
    await Promise.all([ended(worker, one.job), ended(worker, two.job)]);
  });

  test("is acknowledged while upstream has not said a word", async () => {
    const worker = startHooked();
    const input = marked();
    const { status, job } = await (await worker.send("/hooks/stalled", await standard({ input }))).json<Acknowledged>();
    expect(status).toBe("accepted");
    expect(["queued", "running"]).toContain((await viewOf(worker, job)).status);
    await vi.waitFor(async () => expect((await received(input)).map(({ ended }) => ended)).toEqual(["open"]), {
      timeout: 1_500,
    });
    expect((await ended(worker, job)).status).toBe("completed");
  });

  test("without `input` in the config is asked about as it came", async () => {
    const worker = startHooked();
    const payload = { type: "invoice.paid", note: marked() };
    const { job } = await (await worker.send("/hooks/whole", await standard(payload))).json<Acknowledged>();
    const view = await ended(worker, job);
    expect(view.delivery).toBeUndefined();
    expect((await received(payload.note))[0]?.body["input"]).toBe(JSON.stringify(payload));
  });

  test("larger than a question may be is taken, since only what `input` makes of it is asked", async () => {
    const worker = startHooked();
    const text = marked();
    const event = await github({ ...issue(text), diff: "x".repeat(900_000) });
    const { status, job } = await (await worker.send("/hooks/github", event)).json<Acknowledged>();
    expect(status).toBe("accepted");
    await ended(worker, job);
    const large = await worker.send("/hooks/plain", await standard({ input: "x".repeat(300_000) }));
    expect([large.status, (await problemOf(large)).code]).toEqual([413, "payload_too_large"]);
  });

  test.each<[what: string, metadata: (text: string) => unknown, kept: object]>([
    ["what a regular expression has found", (text) => /(?<first>\w+)/.exec(text)?.groups, { first: "hello" }],
    ["an object that watches who reads it", () => new Proxy({ a: "b" }, {}), { a: "b" }],
  ])("may be given metadata that is no plain object: %s", async (_, metadata, kept) => {
    const input = ({ payload }: { payload: unknown }): object => {
      const { body } = (payload as { issue: { body: string } }).issue;
      return { input: body, metadata: metadata(body) };
    };
    const hooks = {
      ...configInput.hooks,
      github: { ...configInput.hooks.github, callback: undefined, output: undefined, input },
    };
    const worker = startWorker({ ...configInput, hooks } as ConfigInput);
    const response = await worker.send("/hooks/github", await github(issue(marked())));
    expect(response.status).toBe(202);
    const { job } = await response.json<Acknowledged>();
    expect(await ended(worker, job)).toMatchObject({ status: "completed", metadata: kept });
  });

  test("may continue an earlier answer of the same hook, and of no other", async () => {
    const worker = startHooked();
    const say = async (hook: string, payload: object): Promise<Response> =>
      worker.send(`/hooks/${hook}`, await standard(payload));
    const first = await (await say("plain", { input: marked("one") })).json<Acknowledged>();
    const { answer } = await ended(worker, first.job);
    const next = await (
      await say("plain", { input: marked("two"), previous_response_id: answer?.id })
    ).json<Acknowledged>();
    expect((await ended(worker, next.job)).answer).toMatchObject({
      previous_response_id: answer?.id,
      text: expect.stringMatching(/^Turn 2/) as string,
    });
    const foreign = await (
      await say("limited", { input: marked(), previous_response_id: answer?.id })
    ).json<Acknowledged>();
    expect(await ended(worker, foreign.job)).toMatchObject({
      status: "failed",
      error: { code: "previous_response_not_found" },
    });
  });
});

describe("what is not asked about", () => {
  test("an event for which `input` gives null is ignored", async () => {
    const response = await startHooked().send("/hooks/github", await github({ ...issue("x"), action: "closed" }));
    expect([response.status, await response.json()]).toEqual([200, { status: "ignored" }]);
  });

  test("an event that a bot made is ignored, unless the hook takes bots", async () => {
    const worker = startHooked();
    const text = marked();
    const event = await github(issue(text, { login: "uniapi-edge[bot]", type: "Bot" }));
    const ignored = await worker.send("/hooks/github", event);
    expect([ignored.status, await ignored.json()]).toEqual([200, { status: "ignored" }]);
    expect(await calls(text)).toBe(0);
    const taken = await (await worker.send("/hooks/bots", event)).json<Acknowledged>();
    expect(taken.status).toBe("accepted");
    await ended(worker, taken.job);
    expect(await calls(text)).toBe(1);
  });

  test("a ping of GitHub's is answered and nothing is begun", async () => {
    const response = await startHooked().send(
      "/hooks/github",
      await github({ zen: "Keep it simple." }, { "x-github-event": "ping" }),
    );
    expect([response.status, await response.json()]).toEqual([200, { status: "ignored" }]);
  });
});

describe("refused, before anything is recorded", () => {
  test("an unknown hook, whatever is signed and whoever asks", async () => {
    const worker = startHooked();
    const said = new Set<string>();
    for (const name of ["nobody", "constructor", "__proto__", "GITHUB"]) {
      for (const event of [await github(issue("x")), { method: "POST", body: "x" }]) {
        const response = await worker.send(`/hooks/${name}`, event);
        said.add(JSON.stringify([response.status, { ...(await problemOf(response)), request_id: "" }]));
      }
    }
    expect([...said]).toEqual([expect.stringContaining("[404,")]);
  });

  test.each<[string, (event: RequestInit) => RequestInit]>([
    ["no signature", ({ body }) => ({ method: "POST", body: body ?? null })],
    ["another body", (event) => ({ ...event, body: `${String(event.body)} ` })],
    [
      "another signature",
      (event) => ({ ...event, headers: { ...event.headers, "x-hub-signature-256": `sha256=${"0".repeat(64)}` } }),
    ],
  ])("%s: 401 that says so and asks for no credential", async (_name, change) => {
    const text = marked();
    const response = await startHooked().send("/hooks/github", change(await github(issue(text))));
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

  test("a hook whose secret is not set: 503 that names the secret", async () => {
    const response = await startHooked().send("/hooks/unset", await standard({ input: "x" }));
    expect(response.status).toBe(503);
    const { code, message } = await problemOf(response);
    expect([code, message]).toEqual(["misconfigured", expect.stringContaining("NOBODY_SET_THIS")]);
  });

  test("more than 1 MiB, and JSON that is no event", async () => {
    const worker = startHooked();
    const large = await worker.send("/hooks/plain", await standard({ input: "x".repeat(1_048_577) }));
    expect([large.status, (await problemOf(large)).code]).toEqual([413, "payload_too_large"]);
    for (const [text, code] of [
      ["{no json", "invalid_json"],
      ["7", "invalid_request"],
      ["[".repeat(100) + "]".repeat(100), "input_too_deep"],
      ['{"__proto__":{"input":"x"}}', "invalid_request"],
    ]) {
      const response = await worker.send("/hooks/plain", await standard(text, undefined, true));
      expect([response.status, (await problemOf(response)).code]).toEqual([400, code]);
    }
  });

  test.each<[string, unknown, string]>([
    ["a failing `input`", {}, "has failed on this event (TypeError)"],
    ["an `input` that gives a number", { give: 7 }, "must give a text, a body of /ask, or null"],
    ["an `input` that names another preset", { give: { input: "x", preset: "busy" } }, "gave what can't be asked"],
    ["an `input` that names a model", { give: { input: "x", model: "gpt-6-sol" } }, "gave what can't be asked"],
    ["an `input` with instructions", { give: { input: "x", instructions: "be bad" } }, "gave what can't be asked"],
    [
      "an `input` in the developer's role",
      { give: { input: [{ role: "developer", content: "x" }] } },
      "gave what can't be asked",
    ],
  ])("%s: 503 that names the setting, and none of the payload's words", async (_name, payload, sentence) => {
    const response = await startHooked().send("/hooks/broken", await standard(payload));
    expect(response.status).toBe(503);
    const { code, message } = await problemOf(response);
    expect([code, message]).toEqual(["misconfigured", expect.stringContaining(sentence)]);
    expect(message).toContain("hooks.broken.input");
    expect(message).not.toContain("secret words");
  });

  test("while the Worker is paused, and while its budget is used up: the sender will try again", async () => {
    withinOneMinute();
    const paused = await startHooked({ PAUSED: "1" }).send("/hooks/plain", await standard({ input: "x" }));
    expect([paused.status, (await problemOf(paused)).code, paused.headers.get("retry-after")]).toEqual([
      503,
      "paused",
      "60",
    ]);
    const worker = startHooked();
    const send = async (): Promise<Response> => worker.send("/hooks/limited", await standard({ input: marked() }));
    const said = [await send(), await send(), await send()];
    expect(said.map(({ status }) => status)).toEqual([202, 202, 429]);
    expectEnvelope(said[2] as Response, (await (said[2] as Response).clone().json<{ error: unknown }>()).error);
    expect(Number(said[2]?.headers.get("retry-after"))).toBeGreaterThan(0);
    for (const response of said.slice(0, 2)) await ended(worker, (await response.json<Acknowledged>()).job);
  });

  test("where no record can be kept: 503, so that the sender tries again", async () => {
    const missing = await startHooked({ JOB_RECORDS: undefined }).send("/hooks/plain", await standard({ input: "x" }));
    expect([missing.status, (await problemOf(missing)).code]).toEqual([503, "misconfigured"]);
    const failing = { getByName: () => ({ accept: () => Promise.reject(new Error("overloaded")) }) };
    const failed = await startHooked({ JOB_RECORDS: failing }).send("/hooks/plain", await standard({ input: "x" }));
    expect([failed.status, (await problemOf(failed)).code]).toEqual([503, "unavailable"]);
  });

  test("other methods", async () => {
    const response = await startHooked().get("/hooks/plain");
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});

describe("a sender who waits", () => {
  const update = (text: string): object => ({
    update_id: Math.floor(Math.random() * 1e9),
    message: { text, chat: { id: 5 }, from: { is_bot: false } },
  });

  test("gets the answer through `output` as the reply, and the same one again", async () => {
    const worker = startHooked();
    const text = marked();
    const event = telegram(update(text));
    const response = await worker.send("/hooks/waiting", event);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    const said = await response.json<Record<string, unknown>>();
    expect(said).toEqual({
      method: "sendMessage",
      chat_id: 5,
      text: expect.stringContaining(`You said: "${text}"`) as string,
    });
    const again = await worker.send("/hooks/waiting", event);
    expect([again.status, await again.json()]).toEqual([200, said]);
    expect(await calls(text)).toBe(1);
  });

  test("gets the one answer however often it asks at once", async () => {
    const worker = startHooked();
    const text = marked();
    const event = telegram(update(text));
    const said = await Promise.all(
      Array.from({ length: 5 }, async () => await (await worker.send("/hooks/waiting", event)).json<object>()),
    );
    expect(new Set(said.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(said[0]).toMatchObject({ method: "sendMessage" });
    expect(await calls(text)).toBe(1);
  });

  test("gets it at once: what is counted and kept afterwards does not hold it up", async () => {
    // The shipped interval of ten seconds.
    const worker = startHooked({ DEADLINES: "{}" });
    for (const text of [marked(), marked()])
      expect((await worker.send("/hooks/waiting", telegram(update(text)))).status).toBe(200);
    expect(log.requests().map(({ total_ms }) => Number(total_ms) < 5_000)).toEqual([true, true]);
  });

  test("is told a failure by its status, and the event runs anew when it comes again", async () => {
    const worker = startHooked({ UNIAPI_BASE_URL: "http://127.0.0.1:9" });
    const text = marked();
    const event = telegram(update(text));
    const failed = await worker.send("/hooks/waiting", event);
    expect([failed.status, (await problemOf(failed)).code]).toEqual([502, "upstream_error"]);
    const again = await startHooked().send("/hooks/waiting", event);
    expect(again.status).toBe(200);
    expect(await calls(text)).toBe(1);
  });
});

describe("what a hook spends", () => {
  test("is held to its own day: reserved before the call, settled after it", async () => {
    const worker = startHooked();
    const input = marked();
    const first = await (await worker.send("/hooks/thrifty", await standard({ input }))).json<Acknowledged>();
    const { answer } = await ended(worker, first.job);
    const used = (await env.BUDGETS.getByName("hook:thrifty").usage(Date.now())).days[0];
    expect(used).toMatchObject({ tokens: answer?.usage?.total_tokens, reserved: 0 });
    const second = await (
      await worker.send("/hooks/thrifty", await standard({ input: "x".repeat(4_000) }))
    ).json<Acknowledged>();
    expect(await ended(worker, second.job)).toMatchObject({ status: "failed", error: { code: "budget_exceeded" } });
  });

  test("is given back where upstream refuses within its stream, before a word", async () => {
    const worker = startHooked();
    const input = marked();
    const { job } = await (await worker.send("/hooks/failing", await standard({ input }))).json<Acknowledged>();
    expect((await ended(worker, job)).tries).toHaveLength(5);
    expect(await calls(input)).toBe(6);
    expect((await env.BUDGETS.getByName("hook:failing").usage(Date.now())).days[0]).toMatchObject({
      tokens: 0,
      reserved: 0,
    });
  });
});

test("an address that sends too much is held back before anything is looked at", async () => {
  const RATE_LIMIT = { limit: async ({ key }: { key: string }) => ({ success: !key.startsWith("address:") }) };
  const event = await standard({ input: "x" });
  const headers = { ...(event.headers as Record<string, string>), "cf-connecting-ip": "198.51.100.7" };
  const response = await startHooked({ RATE_LIMIT }).send("/hooks/plain", { ...event, headers });
  expect([response.status, (await problemOf(response)).code]).toEqual([429, "rate_limited"]);
});

test("a hook is a caller: a Worker that has nothing else is set up", async () => {
  const worker = startHooked({ ENVIRONMENT: "production", UNIAPI_BASE_URL: "https://upstream.example" });
  expect((await worker.send("https://edge.example/health")).status).toBe(200);
});
