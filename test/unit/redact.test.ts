// Keys, accounts, addresses and balances are removed from any text.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { redact, redactSecrets } from "../../src/core/upstream/redact.ts";

const printable = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 12,
  maxLength: 60,
});
const alphanumeric = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"];
const keys = fc.oneof(
  printable,
  fc.string({ unit: fc.constantFrom(...alphanumeric), minLength: 16, maxLength: 51 }).map((tail) => `sk-${tail}`),
);
const texts = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: "grapheme", maxLength: 30 }),
  fc.lorem({ maxCount: 5 }),
);
/** A key as upstreams write it: complete, masked with both ends visible, or truncated. */
const formsOf = (key: string): fc.Arbitrary<string> => {
  const place = fc.nat({ max: key.length });
  return fc.oneof(
    fc.constant(key),
    fc
      .tuple(place, place, fc.constantFrom("***", "********************", "...", "…", "••••", "[masked]"))
      .map(([head, tail, mask]) => key.slice(0, head) + mask + key.slice(tail)),
    fc.tuple(place, place).map(([from, to]) => key.slice(from, to)),
  );
};

function expectNoPart(text: string, key: string): void {
  for (let at = 0; at + 6 <= key.length; at += 1) expect(text).not.toContain(key.slice(at, at + 6));
}

describe("our own secrets", () => {
  test("no six consecutive characters of a key remain, in any text", () => {
    const cases = keys
      // A key with letters of "[redacted]" would be found there.
      .filter((key) => !/[[\]]|redact|edacte|dacted/.test(key))
      .chain((key) =>
        fc.tuple(fc.constant(key), fc.array(fc.tuple(texts, formsOf(key)), { minLength: 1, maxLength: 3 }), texts),
      );
    fc.assert(
      fc.property(cases, ([key, pieces, tail]) => {
        const text = pieces.flat().join("") + tail;
        expectNoPart(redact(text, [key]), key);
        expectNoPart(redactSecrets(text, [key]), key);
      }),
      { numRuns: 500 },
    );
  });

  test("several secrets are all removed, and text without them is unchanged", () => {
    expect(redactSecrets("a first-key-0 and a SECOND_ONE", ["first-key-0", "SECOND_ONE"])).toBe(
      "a [redacted] and a [redacted]",
    );
    expect(redactSecrets("nothing to hide", ["first-secret"])).toBe("nothing to hide");
    expect(redactSecrets("abc", ["", "b"])).toBe("a[redacted]c");
  });
});

describe("private data in an upstream's text is removed", () => {
  test.each<[string, string, RegExp]>([
    ["a key", "Incorrect API key: sk-proj-AbCdEf123456.", /AbCdEf|123456/],
    ["a masked key", "Incorrect API key provided: sk-proj-********************wxyz.", /wxyz|proj/],
    ["parts of a key", "[sk-aBc***xYz] 该令牌额度已用尽", /aBc|xYz/],
    ["a key with two masks", "key abcd****efgh****ijkl is bad", /abcd|efgh|ijkl/],
    ["a key with dots for a mask", "key Ab3…9xYz and Ab3...9xYz", /Ab3|9xYz/],
    ["a masked end", "key abcd****", /abcd/],
    ["a Google key", "key AIzaSyA-1234567890abcdefghij", /AIza|SyA/],
    ["a bearer token", "header Bearer abc.def.ghi refused", /abc|ghi/],
    ["an organization", "in organization org-EXAMPLEexample01 on tokens", /EXAMPLE/],
    ["a project", "project proj_PLACEHOLDERplace", /PLACEHOLDER/],
    ["an address", "Visit https://platform.openai.com/account/rate-limits.", /openai|https/],
    ["a private address", "dial http://10.0.0.7:3000/v1 failed", /10\.0/],
    ["a request id", "field is required (request id: 20261122201015k3JfQ8Zt)", /2026|k3Jf/],
    ["a request id in other wording", "request_id=abc-123", /abc|123/],
    ["a balance", "用户额度不足, 剩余额度: ＄0.123456", /0\.12|123456/],
    ["a balance without a sign", "remaining balance is 42.17 today", /42/],
    ["an amount of money", "costs $ 12.50, you have 3.10 USD and 7 元", /12\.50|3\.10|7/],
    ["a quota", "token.RemainQuota = 0", /= 0/],
    ["an unknown vendor's id", "trace 01h2xcejqtf2nbrexx3vqjhp41 ended", /01h2/],
  ])("%s: %s", (_, text, forbidden) => {
    expect(redact(text, [])).not.toMatch(forbidden);
  });

  test.each([
    "field Model is required",
    "Invalid value: 'loud'. Supported values are: 'low', 'medium', and 'high'.",
    "Unsupported parameter: 'temperature' is not supported with this model.",
    "max_output_tokens must be at least 16.",
    "Invalid schema for response_format 'answer': In context=(), 'required' is required.",
  ])("a message that helps the caller is unchanged: %s", (text) => {
    expect(redact(text, ["sk-canary-4f9d2c7b1e8a"])).toBe(text);
  });

  test("the redacted text has at most 1,000 characters, is well-formed, and has no superfluous white space", () => {
    expect(redact("word ".repeat(5_000), [])).toHaveLength(1_000);
    for (const text of ["🙂".repeat(900), `a${"🙂".repeat(900)}`]) expect(redact(text, []).isWellFormed()).toBe(true);
    expect(redact(" a \n\n b ", [])).toBe("a b");
  });

  test.each([
    "a",
    "1",
    "-",
    ".",
    "a.",
    "1,",
    " ",
    "*",
    "…",
    "a_",
    "remain",
    "request id ",
    "$ ",
    "balance ",
    "basic ",
    "sk-",
    "http://",
    "余额",
    "1 ",
  ])("64 KiB of %j are redacted within a test's time limit", (piece) => {
    const text = piece.repeat(Math.ceil(65_536 / piece.length));
    expect(redact(text, ["sk-canary-4f9d2c7b1e8a"]).length).toBeLessThanOrEqual(1_000);
  });
});
