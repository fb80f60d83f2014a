// A cut never leaves half a character.
import fc from "fast-check";
import { expect, test } from "vitest";
import { startOf } from "../../src/core/lib/text.ts";
import { parseAsk } from "../../src/core/request/read-ask.ts";

test("the beginning of a text is well formed, and at most one unit shorter than asked for", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 20 }), (text, max) => {
      const start = startOf(text, max);
      expect(start.isWellFormed()).toBe(true);
      expect(text.startsWith(start)).toBe(true);
      expect(start.length).toBeGreaterThanOrEqual(Math.min(text.length, max) - 1);
      expect(start.length).toBeLessThanOrEqual(max);
    }),
  );
});

test("a long name of emojis in an error is well formed", () => {
  for (const padding of ["", "x"])
    expect(() => parseAsk({ input: "hi", [padding + "🙂".repeat(200)]: 1 })).toThrow(
      expect.objectContaining({
        details: { param: expect.toSatisfy((param: string) => param.isWellFormed()) as string },
      }),
    );
});
