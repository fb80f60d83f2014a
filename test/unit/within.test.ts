// The time limit of one promise: its result, its failure, its timeout, and that no timer is left running.
import { beforeEach, expect, test, vi } from "vitest";
import { TimeoutError, within } from "../../src/platform/io/within.ts";

beforeEach(() => void vi.useFakeTimers());

test("within() passes on a result or a failure in time, and clears the timer", async () => {
  expect(await within(1_000, Promise.resolve("done"))).toBe("done");
  await expect(within(1_000, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(vi.getTimerCount()).toBe(0);
});

test("within() rejects after the time limit, and ignores a later failure of the work", async () => {
  const { promise, reject } = Promise.withResolvers<string>();
  const limited = expect(within(1_000, promise)).rejects.toBeInstanceOf(TimeoutError);
  await vi.advanceTimersByTimeAsync(1_000);
  await limited;
  reject(new Error("too late"));
  await vi.advanceTimersByTimeAsync(1);
  expect(vi.getTimerCount()).toBe(0);
});
