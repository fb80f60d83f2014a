// Jobs: an unpaid attempt is repeated, one that may have been paid is not, and the outcome is delivered until the callback accepts it.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import type { JobSpec } from "../../src/core/jobs/job.ts";
import { JobRecord } from "../../src/durable/job-record.ts";
import {
  receivedCallbacks,
  type Acknowledged,
  waitForEnd,
  recordOf,
  scriptResponses,
  standardEvent,
  startHookWorker,
  viewOf,
  skipDelays,
} from "./hook-events.ts";
import {
  as,
  calls,
  eachTestAlone,
  KEYS,
  uniqueText,
  ownerNamed,
  problemOf,
  SERVER_KEYS,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();
const CALLBACK_SECRET = (env as unknown as { CALLBACK_SECRET: string }).CALLBACK_SECRET;
let engine: Awaited<ReturnType<typeof skipDelays>>;
beforeEach(async () => {
  engine = await skipDelays();
  await scriptResponses("jobs", []);
});
afterEach(async () => {
  await engine.dispose();
});

const alice = as(KEYS.alice);
const post = (worker: WorkerUnderTest, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  worker.send("/jobs", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
const sendEvent = async (worker: WorkerUnderTest, hook: string, input: string, id?: string): Promise<Acknowledged> =>
  await (await worker.send(`/hooks/${hook}`, await standardEvent({ input }, id))).json();
/** The signed callbacks of one job. */
const signedCallbacks = async (job: string) =>
  (await receivedCallbacks("jobs")).filter(({ body }) => body.includes(job));

describe("POST /jobs", () => {
  test("accepts the body of /ask and returns the job's address, and the job gets the trimmed answer", async () => {
    const worker = startHookWorker({ SERVER_KEYS });
    const input = uniqueText();
    const response = await post(worker, { input, metadata: { order: "7" }, callback: "jobs" }, alice);
    const { status, job } = await response.json<Acknowledged>();
    expect([response.status, status, response.headers.get("location")]).toEqual([202, "queued", `/jobs/${job}`]);
    const view = await vi.waitFor(
      async () => {
        const view = await (await worker.get(`/jobs/${job}`, alice)).json<Record<string, unknown>>();
        expect(view).toMatchObject({ status: "completed", delivery: { status: "delivered" } });
        return view;
      },
      { timeout: 5_000 },
    );
    expect(view).toMatchObject({
      job,
      metadata: { order: "7" },
      answer: { text: `You said: "${input}".`, metadata: { order: "7" } },
    });
    const [callback] = await signedCallbacks(job);
    expect(JSON.parse(callback?.body ?? "")).toEqual({
      type: "response.completed",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      data: { job, hook: null, answer: view["answer"], metadata: { order: "7" } },
    });
    // The creator owns the answer, like an answer of /ask.
    const id = (view["answer"] as { id: string }).id;
    expect((await worker.get(`/ask/${id}`, alice)).status).toBe(200);
    expect((await worker.get(`/ask/${id}`, as(KEYS.bob))).status).toBe(404);
  });

  test("creates a job that only its creator can read; to others it looks like a job that never existed", async () => {
    const worker = startHookWorker({ SERVER_KEYS });
    const { job } = await (await post(worker, { input: uniqueText() }, alice)).json<Acknowledged>();
    const foreign = await worker.get(`/jobs/${job}`, as(KEYS.bob));
    const none = await worker.get(`/jobs/job_${"0".repeat(32)}`, as(KEYS.bob));
    const [foreignError, missingError] = [await problemOf(foreign), await problemOf(none)];
    expect([foreign.status, none.status, { ...foreignError, request_id: "" }]).toEqual([
      404,
      404,
      { ...missingError, request_id: "" },
    ]);
    expect((await worker.send(`/jobs/${job}/redeliver`, { method: "POST", headers: as(KEYS.bob) })).status).toBe(404);
    expect((await worker.get(`/jobs/${job}`, as(KEYS.alice2))).status).toBe(200);
  });

  test.each<[string, unknown, string, string]>([
    ["no input", {}, "invalid_request", "input"],
    ["an unknown field", { input: "x", foo: 1 }, "unknown_parameter", "foo"],
    ["an unknown callback", { input: "x", callback: "https://evil.example" }, "invalid_request", "callback"],
    ["a stream", { input: "x", stream: true }, "invalid_request", "stream"],
    ["an unknown preset", { input: "x", preset: "nope" }, "invalid_request", "preset"],
    ["a field of the account's state", { input: "x", background: true }, "unknown_parameter", "background"],
  ])("refuses %s immediately and starts nothing", async (_name, body, code, param) => {
    const response = await post(startHookWorker({ SERVER_KEYS }), body, alice);
    expect([response.status, await problemOf(response)]).toMatchObject([400, { code, param }]);
  });

  test.each(["/jobs/x", "/jobs/job_%2e%2e", "/jobs/resp_ue1_abc"])("%s is not the path of a job", async (path) => {
    const response = await startHookWorker({ SERVER_KEYS }).get(path, alice);
    expect([response.status, (await problemOf(response)).code]).toEqual([404, "not_found"]);
  });
});

describe("a failed attempt at a job", () => {
  test("that was unpaid is repeated, and the job completes", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "busy", input);
    const view = await waitForEnd(worker, job);
    expect(view).toMatchObject({
      status: "completed",
      tries: [{ code: "upstream_unavailable" }, { code: "upstream_unavailable" }],
    });
    expect([await calls(input), (await signedCallbacks(job)).length]).toEqual([3, 1]);
  });

  test("that is always unpaid fails the job after six attempts, and the callback gets the error", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "saturated", input);
    const view = await waitForEnd(worker, job);
    expect(view).toMatchObject({
      status: "failed",
      error: { code: "upstream_unavailable", type: "server_error" },
      delivery: { status: "delivered" },
    });
    expect(view.tries).toHaveLength(5);
    expect(await calls(input)).toBe(6);
    expect(JSON.parse((await signedCallbacks(job))[0]?.body ?? "")).toMatchObject({
      type: "response.failed",
      data: { job, hook: "saturated", error: view.error },
    });
  });

  test("because of a wrong request is not repeated", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    expect(await waitForEnd(worker, (await sendEvent(worker, "refused", input)).job)).toMatchObject({
      status: "failed",
      error: { code: "unsupported_parameter" },
    });
    expect(await calls(input)).toBe(1);
  });

  test("that may have been paid fails the job without another call, and the error says so", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "cut", input);
    const view = await waitForEnd(worker, job);
    expect(view).toMatchObject({
      status: "failed",
      error: { code: "upstream_error", message: expect.stringContaining("may have been billed") as string },
    });
    expect(view.tries).toBeUndefined();
    expect(await calls(input)).toBe(1);
  });

  test("is started over under the same job id when the event is repeated", async () => {
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "cut", input, "msg_again");
    await waitForEnd(worker, job);
    const again = await worker.send("/hooks/cut", await standardEvent({ input }, "msg_again"));
    expect([again.status, await again.json()]).toEqual([202, { status: "accepted", job }]);
    await vi.waitFor(async () => expect(await calls(input)).toBe(2), { timeout: 5_000 });
    await waitForEnd(worker, job);
  });

  test("has a log line that contains no word of the question", async () => {
    const worker = startHookWorker();
    const input = uniqueText("zebra");
    const { job } = await sendEvent(worker, "busy", input);
    await waitForEnd(worker, job);
    const lines = log.lines().filter((line) => line["job"] === job && line.event !== "request");
    expect(lines.map(({ event, attempt, status, code }) => [event, attempt, status, code])).toEqual([
      ["job", 1, 503, "upstream_unavailable"],
      ["job", 2, 503, "upstream_unavailable"],
      ["job", 3, 200, undefined],
      ["delivery", 1, 200, undefined],
    ]);
    expect(JSON.stringify(log.lines())).not.toContain(input);
  });
});

describe("a job's delivery", () => {
  test("is repeated until the callback accepts it, with the same id and a new time, and the job shows every attempt", async () => {
    const worker = startHookWorker();
    await scriptResponses("jobs", [
      { status: 500 },
      { reset: true },
      { status: 301, headers: { location: `${inject("receiverUrl")}/in/elsewhere` } },
      { hang: true },
      { status: 204 },
    ]);
    const { job } = await sendEvent(worker, "signed", uniqueText());
    const view = await waitForEnd(worker, job);
    expect(view.delivery?.status).toBe("delivered");
    expect(view.delivery?.attempts.map(({ status, error }) => [status, error === null])).toEqual([
      [500, false],
      [null, false],
      [301, false],
      [null, false],
      [204, true],
    ]);
    const callbacks = await signedCallbacks(job);
    expect(new Set(callbacks.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([job]));
    for (const { body, headers } of callbacks)
      expect(() => new Webhook(CALLBACK_SECRET).verify(body, headers)).not.toThrow();
    expect(await receivedCallbacks("elsewhere")).toEqual([]);
  });

  test("shows when the next attempt is due: by the schedule, or later if the receiver sends Retry-After", async () => {
    const worker = startHookWorker();
    await engine.dispose();
    const before = Date.now();
    for (const [script, seconds] of [
      [{ status: 500 }, 5],
      [{ status: 429, headers: { "retry-after": "7200" } }, 7_200],
      [{ status: 503, headers: { "retry-after": "999999" } }, 43_200],
    ] as const) {
      await scriptResponses("jobs", [script]);
      const { job } = await sendEvent(worker, "signed", uniqueText());
      const view = await vi.waitFor(
        async () => {
          const view = await viewOf(worker, job);
          expect(view.delivery?.attempts).toHaveLength(1);
          return view;
        },
        { timeout: 5_000, interval: 50 },
      );
      const wait = (view.delivery?.next_at ?? 0) - before / 1_000;
      expect(wait).toBeGreaterThanOrEqual(seconds);
      expect(wait).toBeLessThan(seconds + 30);
      // A redelivery replaces the pending delivery.
      await scriptResponses("jobs", [{ status: 200 }]);
      expect((await worker.send(`/jobs/${job}/redeliver`, { method: "POST" })).status).toBe(202);
      expect((await waitForEnd(worker, job)).delivery?.attempts.map(({ status }) => status)).toEqual([
        script.status,
        200,
      ]);
    }
    engine = await skipDelays();
  });

  test("stops at 410, and after eight attempts", async () => {
    const worker = startHookWorker();
    await scriptResponses("jobs", [{ status: 410 }]);
    const gone = await waitForEnd(worker, (await sendEvent(worker, "signed", uniqueText())).job);
    expect([gone.status, gone.delivery?.status, gone.delivery?.attempts.length, gone.delivery?.next_at]).toEqual([
      "completed",
      "failed",
      1,
      null,
    ]);
    await scriptResponses("jobs", [{ status: 500 }]);
    const { delivery } = await waitForEnd(worker, (await sendEvent(worker, "signed", uniqueText())).job);
    expect([delivery?.status, delivery?.attempts.length]).toEqual(["failed", 8]);
  });

  test("is repeated by POST /jobs/{id}/redeliver without another upstream call", async () => {
    const worker = startHookWorker();
    await scriptResponses("jobs", [{ status: 410 }]);
    const input = uniqueText();
    const { job } = await sendEvent(worker, "signed", input);
    await waitForEnd(worker, job);
    await scriptResponses("jobs", [{ status: 200 }]);
    const response = await worker.send(`/jobs/${job}/redeliver`, { method: "POST" });
    expect([response.status, await response.json()]).toEqual([202, { job, status: "completed" }]);
    const view = await waitForEnd(worker, job);
    expect(view.delivery?.attempts.map(({ status }) => status)).toEqual([410, 200]);
    expect([await calls(input), (await signedCallbacks(job)).length]).toEqual([1, 2]);
  });

  test("of a job without a callback, or without an answer yet, gets a 400 that says why", async () => {
    const worker = startHookWorker();
    const { job } = await (await post(worker, { input: uniqueText() })).json<Acknowledged>();
    await waitForEnd(worker, job);
    const none = await worker.send(`/jobs/${job}/redeliver`, { method: "POST" });
    expect([none.status, (await problemOf(none)).message]).toEqual([400, expect.stringContaining("no callback")]);
    const pending = await sendEvent(worker, "stalled", uniqueText());
    const early = await worker.send(`/jobs/${pending.job}/redeliver`, { method: "POST" });
    expect([early.status, (await problemOf(early)).message]).toEqual([400, expect.stringContaining("no answer yet")]);
    await waitForEnd(worker, pending.job);
  });
});

describe("a job's record", () => {
  const specOf = async (more: Partial<JobSpec> = {}): Promise<JobSpec> => ({
    hook: null,
    caller: { kind: "job", owner: await ownerNamed("server:alice"), budgets: [] },
    ask: { input: uniqueText(), model: "gpt-6-luna" },
    metadata: {},
    callback: null,
    payload: null,
    origin: "http://localhost:8787",
    sync: false,
    ...more,
  });
  const fresh = (): string => `job_${crypto.randomUUID().replaceAll("-", "")}`;
  const FAILED = { answer: null, error: { message: "x", type: "server_error", code: "upstream_error" } } as const;
  const MINUTE = 60_000;
  let owner = "";
  beforeEach(async () => {
    owner = await ownerNamed("server:alice");
  });

  /** Runs `work` while the engine refuses every instance, or answers as `create` does. */
  async function withoutEngine(
    record: ReturnType<typeof recordOf>,
    work: (record: JobRecord) => Promise<unknown>,
    create: () => Promise<void> = () => Promise.reject(new Error("engine away")),
  ): Promise<void> {
    await runInDurableObject(record, async (instance) => {
      const own = instance as unknown as Omit<JobRecord, "env"> & { env: { JOBS: unknown } };
      const real = own.env;
      own.env = { ...real, JOBS: { create } };
      await work(own as unknown as JobRecord);
      own.env = real;
    });
  }
  /** Sets the clock ahead by `ms` and runs the alarm. */
  async function pass(record: ReturnType<typeof recordOf>, ms: number): Promise<void> {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
    await runDurableObjectAlarm(record);
    vi.useRealTimers();
  }
  /** A record with an accepted job whose instance never started. */
  async function acceptJob(more: Partial<JobSpec> = {}) {
    const job = fresh();
    const record = recordOf(job);
    const spec = await specOf(more);
    let instance = "";
    await withoutEngine(record, async (own) => {
      ({ instance } = await own.accept(Date.now(), job, spec, "nonce"));
    });
    return { job, record, spec, instance };
  }
  const statusOf = async (record: ReturnType<typeof recordOf>): Promise<string | undefined> =>
    (await record.view(owner))?.status;

  test("whose instance was never started is started by its alarm", async () => {
    const { record } = await acceptJob();
    expect(await statusOf(record)).toBe("queued");
    await pass(record, 2 * MINUTE);
    await vi.waitFor(async () => expect(await statusOf(record)).toBe("completed"), { timeout: 5_000 });
  });

  test("whose instance the engine refuses again waits a minute before its alarm tries again", async () => {
    const { record } = await acceptJob();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * MINUTE });
    const at = Date.now();
    await withoutEngine(record, (own) => own.alarm());
    vi.useRealTimers();
    expect(await runInDurableObject(record, (_, state) => state.storage.getAlarm())).toBe(at + MINUTE);
  });

  test("accepts a repeated accept call with the same id as the first, and one with another id as a duplicate", async () => {
    const { job, record, spec, instance } = await acceptJob();
    expect(await record.accept(1, job, spec, "nonce")).toEqual({ accepted: true, status: "queued", instance });
    expect(await record.accept(1, job, spec, "other")).toEqual({ accepted: false, status: "queued", instance });
  });

  test("that is evicted during an attempt knows that a call was in progress, and does not repeat the attempt", async () => {
    const { job, record, spec, instance } = await acceptJob();
    expect(await record.begin(2_000, instance, "a")).toEqual({ spec, attempt: 1 });
    expect(await record.begin(2_000, instance, "a"), "the same execution").toEqual({ spec, attempt: 1 });
    await evictDurableObject(record);
    const after = recordOf(job);
    expect(await after.begin(3_000, instance, "b")).toBeNull();
    expect(await after.view(owner)).toMatchObject({
      status: "failed",
      error: { message: expect.stringContaining("may have been billed") as string },
    });
  });

  test("ignores instances other than the current one, and every outcome after the first", async () => {
    const { job, record, spec, instance } = await acceptJob();
    expect(await record.begin(1, "somebody-else", "x")).toBeNull();
    await record.begin(1, instance, "a");
    await record.finish(2, instance, FAILED);
    await record.finish(3, instance, { answer: { id: "x" } as never, error: null });
    expect(await statusOf(record)).toBe("failed");
    let next = "";
    await withoutEngine(record, async (own) => {
      ({ instance: next } = await own.accept(Date.now(), job, spec, "again"));
    });
    expect(next).not.toBe(instance);
    await record.begin(4, next, "b");
    await record.finish(5, instance, FAILED);
    expect(await statusOf(record)).toBe("running");
  });

  test("stores a payload larger than a row, in any script", async () => {
    const { job, record, spec, instance } = await acceptJob({ payload: { text: "日本語🦓".repeat(200_000) } });
    await evictDurableObject(record);
    expect(await recordOf(job).begin(2_000, instance, "a")).toEqual({ spec, attempt: 1 });
  });

  test("is stored for thirty days, and one that was only read stores nothing", async () => {
    const { record, instance } = await acceptJob({ sync: true });
    await record.finish(Date.now(), instance, FAILED);
    await pass(record, 29 * 86_400_000);
    expect(await statusOf(record)).toBe("failed");
    await pass(record, 31 * 86_400_000);
    expect(await record.view(owner)).toBeNull();
    const unknown = recordOf(fresh());
    expect(await unknown.view(owner)).toBeNull();
    expect(
      await runInDurableObject(unknown, (_, state) => state.storage.sql.exec("SELECT * FROM sqlite_master").toArray()),
    ).toEqual([]);
  });

  test.each([true, false])(
    "whose engine died during a call fails after an hour, because the call may have been paid (sync: %s)",
    async (sync) => {
      const { record, instance } = await acceptJob({ sync });
      await record.begin(Date.now(), instance, "a");
      await pass(record, 50 * MINUTE);
      expect(await statusOf(record)).toBe("running");
      await pass(record, 66 * MINUTE);
      expect(await record.view(owner)).toMatchObject({ status: "failed", error: { code: "upstream_error" } });
    },
  );

  test("of a sender that waits fails after an hour if the isolate died before the call, so that the event can start over", async () => {
    const { record } = await acceptJob({ sync: true });
    await pass(record, 66 * MINUTE);
    expect(await statusOf(record)).toBe("failed");
  });

  test("whose engine died between attempts continues in another instance, because no call was in progress", async () => {
    const { record, instance } = await acceptJob();
    await record.begin(Date.now(), instance, "a");
    await record.postpone(Date.now(), instance, { at: 1, code: "upstream_unavailable" }, Date.now() + 60 * MINUTE);
    await pass(record, 60 * MINUTE);
    expect(await statusOf(record), "during the delay nothing is repaired").toBe("running");
    await pass(record, 80 * MINUTE);
    await vi.waitFor(async () => expect(await statusOf(record)).toBe("completed"), { timeout: 5_000 });
    expect((await record.view(owner))?.tries).toHaveLength(1);
    expect(await record.begin(1, instance, "b"), "the dead instance is ignored").toBeNull();
  });

  test("whose engine died between attempts gives the new instance fifteen minutes to begin", async () => {
    const { record, instance } = await acceptJob();
    await record.begin(Date.now(), instance, "a");
    await record.postpone(Date.now(), instance, { at: 1, code: "upstream_unavailable" }, Date.now() + MINUTE);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 20 * MINUTE });
    const at = Date.now();
    await withoutEngine(
      record,
      (own) => own.alarm(),
      () => Promise.resolve(),
    );
    vi.useRealTimers();
    expect(await runInDurableObject(record, (_, state) => state.storage.getAlarm())).toBe(at + 15 * MINUTE);
  });

  test("whose engine died between attempts to deliver continues in another instance", async () => {
    const { job, record, instance } = await acceptJob({ callback: "jobs" });
    await record.finish(Date.now(), instance, FAILED);
    await pass(record, 10 * MINUTE);
    expect((await receivedCallbacks("jobs")).filter(({ body }) => body.includes(job))).toEqual([]);
    await pass(record, 16 * MINUTE);
    await vi.waitFor(async () => expect((await record.view(owner))?.delivery?.status).toBe("delivered"), {
      timeout: 5_000,
    });
  });

  test("whose alarm finds no engine for a delivery tries again later", async () => {
    const { record, instance } = await acceptJob({ callback: "jobs" });
    await record.finish(Date.now(), instance, FAILED);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 16 * MINUTE });
    await withoutEngine(record, (own) => own.alarm());
    vi.useRealTimers();
    expect((await record.view(owner))?.delivery?.status).toBe("pending");
    await pass(record, 32 * MINUTE);
    await vi.waitFor(async () => expect((await record.view(owner))?.delivery?.status).toBe("delivered"), {
      timeout: 5_000,
    });
  });

  test("whose redelivery finds no engine throws, and does not change a generation that has started meanwhile", async () => {
    const { job, record, spec, instance } = await acceptJob({ callback: "jobs" });
    await record.finish(Date.now(), instance, FAILED);
    let next = "";
    await runInDurableObject(record, async (object) => {
      const own = object as unknown as Omit<JobRecord, "env"> & { env: { JOBS: unknown } };
      const real = own.env;
      let refuse: (error: Error) => void = () => undefined;
      own.env = {
        ...real,
        JOBS: {
          create: ({ params }: { params: { deliverOnly: boolean } }) =>
            params.deliverOnly ? new Promise((_, reject) => (refuse = reject)) : Promise.resolve(),
        },
      };
      const redelivery = (own as unknown as JobRecord).redeliver().catch((error: unknown) => String(error));
      ({ instance: next } = await (own as unknown as JobRecord).accept(Date.now(), job, spec, "again"));
      await (own as unknown as JobRecord).begin(Date.now(), next, "a");
      refuse(new Error("engine away"));
      expect(await redelivery).toContain("no instance");
      own.env = real;
    });
    await record.finish(Date.now(), next, { answer: { id: "paid" } as never, error: null });
    expect(await record.view(owner)).toMatchObject({ status: "completed", answer: { id: "paid" } });
  });

  test("has another webhook-id for the outcome of another generation", async () => {
    const { job, record, spec, instance } = await acceptJob({ callback: "jobs" });
    await record.finish(1, instance, FAILED);
    expect((await record.readDeliverable(instance))?.eventId).toBe(job);
    let next = "";
    await withoutEngine(record, async (own) => {
      ({ instance: next } = await own.accept(Date.now(), job, spec, "again"));
    });
    await record.finish(2, next, FAILED);
    expect((await record.readDeliverable(next))?.eventId).toBe(`${job}-2`);
    expect(await record.readDeliverable(instance), "the instance of the old generation").toBeNull();
  });
});

describe("an engine that fails", () => {
  test("before upstream is called costs nothing: the attempt is repeated", async () => {
    vi.spyOn(JobRecord.prototype, "begin").mockImplementationOnce(() => Promise.reject(new Error("reset")));
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "signed", input);
    expect((await waitForEnd(worker, job)).status).toBe("completed");
    expect(await calls(input)).toBe(1);
  });

  test("before every call to upstream fails the job, and the error says that nothing was billed", async () => {
    vi.spyOn(JobRecord.prototype, "begin").mockImplementation(() => Promise.reject(new Error("away")));
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "signed", input);
    const view = await waitForEnd(worker, job);
    expect(view).toMatchObject({
      status: "failed",
      error: { code: "unavailable", message: expect.stringContaining("nothing was billed") as string },
    });
    expect(view.tries).toHaveLength(5);
    expect(await calls(input)).toBe(0);
  }, 20_000);

  test("while it reports a paid answer reports it again", async () => {
    const finish = vi.spyOn(JobRecord.prototype, "finish");
    for (let n = 0; n < 2; n += 1) finish.mockImplementationOnce(() => Promise.reject(new Error("reset")));
    const worker = startHookWorker();
    const input = uniqueText();
    const { job } = await sendEvent(worker, "signed", input);
    expect((await waitForEnd(worker, job)).status).toBe("completed");
    expect(await calls(input)).toBe(1);
  });
});
