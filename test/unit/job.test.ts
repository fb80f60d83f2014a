// The rules of jobs: when an attempt is repeated, and what is due for a record.
import { describe, expect, test } from "vitest";
import { isJobId, retryDelayMs } from "../../src/core/jobs/job.ts";
import { eventId, type JobState, nextDue } from "../../src/core/jobs/job-state.ts";
import { Problem } from "../../src/core/lib/problem.ts";

const MINUTE = 60_000;
const busy = new Problem("upstream_unavailable", "busy", { paid: "unpaid" });

describe("a failed attempt at a job", () => {
  test("that was not paid is repeated after 10 s, then after 1, 5, 15 and 60 minutes, and then never", () => {
    expect([1, 2, 3, 4, 5, 6].map((attempt) => retryDelayMs(busy, attempt))).toEqual([
      10_000,
      MINUTE,
      5 * MINUTE,
      15 * MINUTE,
      60 * MINUTE,
      null,
    ]);
  });

  test.each<[string, Problem, number | null]>([
    ["that may have been paid is never repeated", new Problem("upstream_error", "cut", { paid: "maybe" }), null],
    ["of a wrong request is never repeated", new Problem("upstream_rejected", "no", { paid: "unpaid" }), null],
    ["whose parent is missing is never repeated", new Problem("previous_response_not_found", "gone"), null],
    ["of a paused Worker is repeated", new Problem("paused", "paused", { retryAfter: 60 }), MINUTE],
    [
      "without credit at UniAPI is repeated, because the account may be refilled",
      new Problem("upstream_quota", "empty", { paid: "unpaid" }),
      10_000,
    ],
    [
      "is repeated as late as upstream requests",
      new Problem("upstream_rate_limited", "slow", { paid: "unpaid", retryAfter: 90 }),
      90_000,
    ],
    [
      "is repeated within an hour, however late upstream requests it",
      new Problem("budget_exceeded", "tomorrow", { retryAfter: 80_000 }),
      60 * MINUTE,
    ],
  ])("%s", (_name, problem, ms) => expect(retryDelayMs(problem, 1)).toBe(ms));
});

describe("the next action due for a job's record", () => {
  const AT = 1_800_000_000_000;
  const state = (more: Partial<JobState> = {}): JobState => ({
    job: "job_1",
    status: "running",
    generation: 1,
    acceptId: "n",
    sync: false,
    instance: "a",
    started: true,
    activeExecution: null,
    failedAttempts: [],
    nextAt: null,
    deliveryInstance: "a",
    deliveryAttempts: 0,
    delivery: null,
    createdAt: AT,
    updatedAt: AT,
    endedAt: null,
    ...more,
  });
  const pending = { status: "pending" as const, attempts: [], next_at: AT / 1_000 + 7_200 };

  test.each<[string, Partial<JobState>, number, string]>([
    [
      "a start, one minute after an instance should have started",
      { status: "queued", started: false },
      MINUTE,
      "start",
    ],
    ["a failure, after the longest possible attempt", { activeExecution: "x" }, 65 * MINUTE, "lost"],
    ["a failure, after the same time, if a sender waits", { status: "queued", sync: true }, 65 * MINUTE, "lost"],
    ["a restart, a quarter of an hour after the end of a delay", { nextAt: AT + 60 * MINUTE }, 75 * MINUTE, "restart"],
    [
      "a redelivery, a quarter of an hour after the next attempt was due",
      { status: "completed", delivery: pending },
      135 * MINUTE,
      "redeliver",
    ],
    ["removal, after thirty days", { status: "failed" }, 30 * 1_440 * MINUTE, "remove"],
    [
      "removal, thirty days after the delivery",
      { status: "completed", delivery: { ...pending, status: "delivered", next_at: null } },
      30 * 1_440 * MINUTE,
      "remove",
    ],
  ])("is %s", (_name, more, ms, due) => expect(nextDue(state(more))).toEqual({ at: AT + ms, due }));

  test("the id of an event contains no `.`, and the generation if it is not the first", () => {
    expect([eventId({ job: "job_1", generation: 1 }), eventId({ job: "job_1", generation: 3 })]).toEqual([
      "job_1",
      "job_1-3",
    ]);
  });
});

test.each([
  "job_",
  "job_short",
  `job_${"a".repeat(65)}`,
  "resp_ue1_aaaaaaaaaaaaaaaaaaaaaaaa",
  "job_../../../../../../etc/passwd",
  `job_${"a".repeat(30)} `,
])("%j is not a job id", (id) => expect(isJobId(id)).toBe(false));
