// The headers of a cache hit, for clocks that run, stand still and run backwards.
import { expect, test } from "vitest";
import { hitHeaders } from "../../src/core/cache/cached-answer.ts";

const entry = { at: 1_795_387_629, lifetime: 3_600 };

test.each([
  ["immediately", 0, "3600", "0"],
  ["within its ttl", 600, "3000", "600"],
  ["at the end of its ttl", 3_600, "0", "3600"],
  ["stale, as a run may replay it", 86_400, "-82800", "86400"],
  ["by a clock that is behind", -5, "3600", "0"],
])("a hit shows its age and its remaining ttl: %s", (_, passed, ttl, age) => {
  expect(hitHeaders(entry, entry.at + passed)).toEqual({ "cache-status": `uniapi-edge; hit; ttl=${ttl}`, age });
});
