// Signed ids: their owner can use them unchanged, and nobody can use anything similar.
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { base64url } from "../../src/core/lib/bytes.ts";
import {
  fitsInId,
  ID_PREFIX,
  isSignedId,
  MAX_TURN,
  MAX_VALUE_BYTES,
  readId,
  type ResponseId,
  signId,
} from "../../src/core/callers/ids.ts";
import { deriveDigest, type IdKeys, importIdKeys, ownerOf } from "../../src/core/callers/owner.ts";

const secret = (seed: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).fill(seed);
let keys: IdKeys;
beforeAll(async () => {
  keys = await importIdKeys([secret(1)]);
});

const bytesIn = (text: string): number => new TextEncoder().encode(text).length;
const owners = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
const ids: fc.Arbitrary<ResponseId> = fc.record({
  kind: fc.constantFrom("upstream" as const, "own" as const),
  isStored: fc.boolean(),
  turn: fc.integer({ min: 0, max: MAX_TURN }),
  minute: fc.integer({ min: 0, max: 0xffff_ffff }),
  nonce: fc.integer({ min: 0, max: 0xffff_ffff }),
  value: fc
    .oneof(fc.string({ unit: "grapheme", maxLength: 80 }), fc.string({ unit: "binary", maxLength: 80 }), fc.uuid())
    .filter((value) => bytesIn(value) <= MAX_VALUE_BYTES),
});
const sample: ResponseId = {
  kind: "upstream",
  isStored: true,
  turn: 7,
  minute: 29_000_000,
  nonce: 7,
  value: "resp_68af4030592c81938ec0a5fbab4a3e9f",
};
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("signing and reading", () => {
  test("an id signed for an owner is read back for that owner", async () => {
    await fc.assert(
      fc.asyncProperty(owners, ids, async (owner, id) => {
        const signed = await signId(keys, owner, id);
        expect(await readId(keys, owner, signed)).toEqual(id);
        expect(signed).toMatch(/^resp_ue1_[A-Za-z0-9_-]+$/);
        expect(signed.length).toBeLessThanOrEqual(256);
        expect(isSignedId(signed)).toBe(true);
      }),
    );
  });

  test("a byte order mark at the start of a value is preserved", async () => {
    const id = { ...sample, value: "\uFEFFresp_1" };
    expect(await readId(keys, "a", await signId(keys, "a", id))).toEqual(id);
  });

  test("the longest value makes an id of 256 characters; one byte more can't be signed", async () => {
    const longest = "x".repeat(MAX_VALUE_BYTES);
    expect(await signId(keys, "a", { ...sample, value: longest })).toHaveLength(256);
    expect(fitsInId(longest)).toBe(true);
    expect(fitsInId(`${longest}x`)).toBe(false);
    await expect(signId(keys, "a", { ...sample, value: `${longest}x` })).rejects.toThrow("can't be signed");
  });

  test.each([[undefined], [null], [7], [""], ["é".repeat(82)], ["resp_\uD800"]])(
    "%j does not fit into a signed id",
    (value) => {
      expect(fitsInId(value)).toBe(false);
    },
  );

  test("a turn number above 65,535 is stored as 65,535", async () => {
    const read = await readId(keys, "a", await signId(keys, "a", { ...sample, turn: 70_000 }));
    expect(read?.turn).toBe(MAX_TURN);
  });
});

describe("forgery", () => {
  test("an id with any character changed, added or removed is refused", async () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.constantFrom(0, 1, 1, 2),
      add: fc.string({ unit: fc.constantFrom(...ALPHABET, "=", "+", "/", " ", "é"), maxLength: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(ids, edit, async (id, { at, remove, add }) => {
        const signed = await signId(keys, "a", id);
        const place = ID_PREFIX.length + Math.floor(at * (signed.length - ID_PREFIX.length));
        const changed = signed.slice(0, place) + add + signed.slice(place + remove);
        fc.pre(changed !== signed);
        expect(await readId(keys, "a", changed)).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  test.each([0, 1, 2, 3, 4, 5])("no other last character gives a valid id (value of %i bytes)", async (length) => {
    const signed = await signId(keys, "a", { ...sample, value: "x".repeat(length) });
    for (const last of ALPHABET) {
      const spelled = signed.slice(0, -1) + last;
      const read = await readId(keys, "a", spelled);
      if (spelled === signed) expect(read).not.toBeNull();
      else expect(read, last).toBeNull();
    }
  });

  test("padding, white space and the other base64 alphabet are refused", async () => {
    const signed = await signId(keys, "a", sample);
    for (const changed of [
      `${signed}=`,
      `${signed} `,
      ` ${signed}`,
      `${signed}\n`,
      signed.replaceAll("_", "/"),
      signed.toUpperCase(),
    ]) {
      expect(await readId(keys, "a", changed), changed).toBeNull();
    }
  });

  test.each([
    "",
    "resp_",
    ID_PREFIX,
    `${ID_PREFIX}A`,
    `${ID_PREFIX}${"A".repeat(30)}`,
    `${ID_PREFIX}${"A".repeat(300)}`,
    "resp_68af",
    "chatcmpl-1",
  ])("%j is refused", async (text) => {
    expect(await readId(keys, "a", text)).toBeNull();
  });

  test("an id is refused for another owner", async () => {
    await fc.assert(
      fc.asyncProperty(owners, owners, ids, async (owner, stranger, id) => {
        fc.pre(owner !== stranger);
        expect(await readId(keys, stranger, await signId(keys, owner, id))).toBeNull();
      }),
    );
  });

  test("an empty owner can neither read nor sign an id", async () => {
    expect(await readId(keys, "", await signId(keys, "a", sample))).toBeNull();
    await expect(signId(keys, "", sample)).rejects.toThrow("can't be signed");
  });

  test("an id signed with another key is refused", async () => {
    const other = await importIdKeys([secret(2)]);
    expect(await readId(keys, "a", await signId(other, "a", sample))).toBeNull();
  });
});

describe("rotation", () => {
  test("with a new first key, old ids are still valid, new ids are signed with the new key, and owners do not change", async () => {
    const rotated = await importIdKeys([secret(2), secret(1)]);
    const old = await signId(keys, "a", sample);
    expect(await readId(rotated, "a", old)).toEqual(sample);
    const fresh = await signId(rotated, "a", sample);
    expect(fresh).not.toBe(old);
    expect(await readId(rotated, "a", fresh)).toEqual(sample);
    expect(await readId(keys, "a", fresh)).toBeNull();
    expect(await ownerOf(rotated, "server:server")).toBe(await ownerOf(keys, "server:server"));
    expect(await deriveDigest(rotated, "answer", "text")).toBe(await deriveDigest(keys, "answer", "text"));
  });

  test("at least one key is required", async () => {
    await expect(importIdKeys([])).rejects.toThrow("no id key");
  });
});

describe("owners and digests", () => {
  test("an owner is the same 22 characters every time, and hides its name", async () => {
    const owner = await ownerOf(keys, "server:server");
    expect(owner).toBe(await ownerOf(await importIdKeys([secret(1)]), "server:server"));
    expect(owner).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(owner).not.toContain("server");
  });

  test("no two names share an owner, and no two purposes share a digest", async () => {
    await fc.assert(
      fc.asyncProperty(owners, owners, async (one, other) => {
        fc.pre(one !== other);
        expect(await ownerOf(keys, one)).not.toBe(await ownerOf(keys, other));
        expect(await deriveDigest(keys, "answer", one)).not.toBe(await deriveDigest(keys, "job", one));
      }),
    );
  });

  test("digests use the same base64url as Node", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(base64url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
      }),
    );
  });
});
