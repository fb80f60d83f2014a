// Setup file of the unit tests. They share one process and its modules (isolate: false), so a fake clock or a stubbed global that a
// test leaves behind would reach the files that run after it.
import { afterEach, vi } from "vitest";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
