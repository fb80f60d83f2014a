// The rules of jobs as numbers: when a try is made again, and what a look at a record finds to do.
import { describe, expect, test } from "vitest";
import { isJobId, retryDelayMs } from "../../src/core/jobs/job.ts";
import { eventId, type JobState, nextDue } from "../../src/core/jobs/job-state.ts";
import { Problem } from "../../src/core/lib/problem.ts";

const MINUTE = 60_000;
const busy = new Problem("upstream_unavailable", "busy", { paid: "unpaid" });

describe("a failed try", () => {
  test("that was not paid is made again after 10 s, 1, 5, 15 and 60 minutes, and then no more", () => {
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
    ["that may have been paid is never", new Problem("upstream_error", "cut", { paid: "maybe" }), null],
    ["that was refused as such is never", new Problem("upstream_rejected", "no", { paid: "unpaid" }), null],
    ["whose conversation is gone is never", new Problem("previous_response_not_found", "gone"), null],
    ["of a Worker that is paused is", new Problem("paused", "paused", { retryAfter: 60 }), MINUTE],
    [
      "whose account has no credit is: somebody may mend it",
      new Problem("upstream_quota", "empty", { paid: "unpaid" }),
      10_000,
    ],
    [
      "is made again as late as upstream asks",
      new Problem("upstream_rate_limited", "slow", { paid: "unpaid", retryAfter: 90 }),
      90_000,
    ],
    ["but within the hour", new Problem("budget_exceeded", "tomorrow", { retryAfter: 80_000 }), 60 * MINUTE],
  ])("%s", (_name, problem, ms) => expect(retryDelayMs(problem, 1)).toBe(ms));
});

describe("a record is looked at again", () => {
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
    ["after a minute, where no instance was started", { status: "queued", started: false }, MINUTE, "start"],
    ["after the longest try, where one is under way", { activeExecution: "x" }, 65 * MINUTE, "lost"],
    ["after the same, where a sender waits", { status: "queued", sync: true }, 65 * MINUTE, "lost"],
    ["a quarter of an hour after a pause is over", { nextAt: AT + 60 * MINUTE }, 75 * MINUTE, "restart"],
    [
      "a quarter of an hour after the next attempt was due",
      { status: "completed", delivery: pending },
      135 * MINUTE,
      "redeliver",
    ],
    ["after thirty days", { status: "failed" }, 30 * 1_440 * MINUTE, "remove"],
    [
      "after thirty days, where all is told",
      { status: "completed", delivery: { ...pending, status: "delivered", next_at: null } },
      30 * 1_440 * MINUTE,
      "remove",
    ],
  ])("%s", (_name, more, ms, due) => expect(nextDue(state(more))).toEqual({ at: AT + ms, due }));

  test("and its events are named by the run, without a full stop", () => {
    expect([eventId({ job: "job_1", generation: 1 }), eventId({ job: "job_1", generation: 3 })]).toEqual(["job_1", "job_1-3"]);
  });
});

test.each([
  "job_",
  "job_short",
  `job_${"a".repeat(65)}`,
  "resp_ue1_aaaaaaaaaaaaaaaaaaaaaaaa",
  "job_../../../../../../etc/passwd",
  `job_${"a".repeat(30)} `,
])("%j is no id of a job", (id) => expect(isJobId(id)).toBe(false));
