// What a kept answer says of its age, for clocks that run, stand still and run backwards.
import { expect, test } from "vitest";
import { hitHeaders } from "../../src/core/cache/cached-answer.ts";

const kept = { at: 1_795_387_629, lifetime: 3_600 };

test.each([
  ["at once", 0, "3600", "0"],
  ["within its time", 600, "3000", "600"],
  ["at the end of its time", 3_600, "0", "3600"],
  ["stale, as a flight may repeat it", 86_400, "-82800", "86400"],
  ["by a clock that is behind", -5, "3600", "0"],
])("a hit says its age and what is left of its time: %s", (_, passed, ttl, age) => {
  expect(hitHeaders(kept, kept.at + passed)).toEqual({ "cache-status": `uniapi-edge; hit; ttl=${ttl}`, age });
});
