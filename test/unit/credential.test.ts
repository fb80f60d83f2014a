// The lookup of a credential by its key finds exact matches only, among any number of keys.
import fc from "fast-check";
import { expect, test } from "vitest";
import { findKey } from "../../src/core/callers/credential.ts";

const Key = fc.string({ unit: fc.constantFrom(..."abcAB01_-\u0000é"), maxLength: 12 });

test("a lookup of credentials by key gives the same results as a Map", () => {
  fc.assert(
    fc.property(fc.dictionary(Key, fc.nat(), { maxKeys: 8 }), Key, (holders, other) => {
      const known = new Map(Object.entries(holders));
      for (const credential of [...known.keys(), other]) {
        expect(findKey(credential, known)).toBe(known.get(credential));
        for (const near of [
          `${credential}x`,
          credential.slice(0, -1),
          `${credential}\u0000`,
          credential.toUpperCase(),
        ]) {
          expect(findKey(near, known)).toBe(known.get(near));
        }
      }
    }),
  );
});
