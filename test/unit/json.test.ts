// JSON from outside: integers beyond 2^53 keep all their digits, and the size of a value is bounded in one cheap walk.
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  assertSafeJson,
  canonicalJson,
  JSON_LIMITS,
  parseJson,
  parseJsonObject,
  restoreIntegers,
} from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const isLarge = (integer: bigint): boolean => integer > SAFE || integer < -SAFE;

/** JSON text with random white space, and the value that it means. */
const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\t", "\r"), maxLength: 2 });
type Sample = { text: string; value: unknown };
const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc
      .bigInt({ min: -(2n ** 70n), max: 2n ** 70n })
      .map((integer) => ({ text: `${integer}`, value: isLarge(integer) ? integer : Number(integer) })),
    fc
      .bigInt({ min: SAFE - 3n, max: SAFE + 3n })
      .map((integer) => ({ text: `${integer}`, value: isLarge(integer) ? integer : Number(integer) })),
    fc
      .constantFrom(
        "0.12345678901234567",
        "-1234567890123456.5",
        "12345678901234567e3",
        "1E22",
        "-0.0000001234567890123456",
      )
      .map((text) => ({
        text,
        value: Number(text),
      })),
    fc.string().map((value) => ({ text: JSON.stringify(value), value })),
    fc.constantFrom("[12345678901234567890]", ":12345678901234567890", " -12345678901234567890,").map((value) => ({
      text: JSON.stringify(value),
      value,
    })),
    fc.constantFrom(true, false, null).map((value) => ({ text: String(value), value })),
    fc.tuple(space, fc.array(tie("sample"), { maxLength: 4 })).map(([white, list]) => ({
      text: `[${white}${list.map(({ text }) => text).join(`${white},${white}`)}${white}]`,
      value: list.map(({ value }) => value),
    })),
    fc
      .tuple(
        space,
        fc.uniqueArray(fc.tuple(fc.string({ maxLength: 4 }), tie("sample")), {
          maxLength: 4,
          selector: ([key]) => key,
        }),
      )
      .filter(([, entries]) => entries.every(([key]) => key !== "__proto__"))
      .map(([white, entries]) => ({
        text: `{${white}${entries.map(([key, { text }]) => `${JSON.stringify(key)}${white}:${white}${text}`).join(`,${white}`)}}`,
        value: Object.fromEntries(entries.map(([key, { value }]) => [key, value])),
      })),
  ),
}));

describe("parsing", () => {
  test("returns a BigInt for each integer beyond 2^53, and everything else as JSON.parse does", () => {
    fc.assert(
      fc.property(space, sample, space, (before, { text, value }, after) => {
        const parsed = parseJson(before + text + after);
        expect(parsed).toStrictEqual(value);
        // Its text stays the same, however often it is parsed, sent in an RPC and serialized.
        const written = JSON.stringify(structuredClone(parsed));
        expect(JSON.stringify(parseJson(written))).toBe(written);
      }),
      { numRuns: 500 },
    );
  });

  test("BigInts are written as their digits wherever JSON is written", () => {
    expect(JSON.stringify({ a: [2n ** 64n, -(2n ** 63n)] }, null, 0)).toBe(
      '{"a":[18446744073709551616,-9223372036854775808]}',
    );
    expect(JSON.stringify({ a: 2n ** 64n }, (_, value: unknown) => value)).toBe('{"a":18446744073709551616}');
    const body = (n: bigint) => canonicalJson({ tools: [{ parameters: { b: n, a: 1 } }], n });
    expect(body(2n ** 53n + 1n)).toBe('{"n":9007199254740993,"tools":[{"parameters":{"b":9007199254740993,"a":1}}]}');
    expect(body(2n ** 53n + 1n)).not.toBe(body(2n ** 53n + 2n));
  });

  test("can turn the integers into text", () => {
    const text = '{"id":9223372036854775807,"n":[-9007199254740993,7,"9223372036854775807"]}';
    expect(restoreIntegers(JSON.parse(text), text, String)).toEqual({
      id: "9223372036854775807",
      n: ["-9007199254740993", 7, "9223372036854775807"],
    });
  });

  test("of a value that is nested 200,000 levels deep does not overflow the stack", () => {
    const deep = `${"[".repeat(200_000)}12345678901234567890${"]".repeat(200_000)}`;
    expect(() => parseJson(deep)).not.toThrow();
    expect(() => parseJsonObject(`{"input":${deep}}`, JSON_LIMITS.server, "")).toThrow(/nested deeper than 128/);
  });

  test("does not run the slow reviver on what exceeds the limits", () => {
    const parse = vi.spyOn(JSON, "parse");
    const text = `{"input":[${"0,".repeat(10_000)}12345678901234567890]}`;
    expect(() => parseJsonObject(text, JSON_LIMITS.restricted, "")).toThrow(/more than 5000/);
    expect(parse.mock.calls.map((given) => given.length)).toEqual([1]);
    expect(parseJsonObject(text, JSON_LIMITS.server, "")["input"]).toHaveLength(10_001);
    expect(parse.mock.calls.map((given) => given.length)).toEqual([1, 1, 2]);
  });
});

describe("the limits", () => {
  const codeOf = (value: unknown, limits = JSON_LIMITS.restricted as { values: number; fields: number }): string => {
    try {
      assertSafeJson(value, limits);
      return "accepted";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return error.code;
    }
  };

  test("count keys and elements at every level", () => {
    const count = (value: unknown): number =>
      typeof value !== "object" || value === null
        ? 0
        : Object.values(value).reduce<number>((sum, inner) => sum + 1 + count(inner), 0);
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const value = JSON.parse(JSON.stringify(json)) as unknown;
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        const values = count(value);
        expect(codeOf(value, { values, fields: values })).toBe("accepted");
        if (values > 0) expect(codeOf(value, { values: values - 1, fields: values })).toBe("too_many_values");
      }),
    );
  });

  test("count the keys at the top", () => {
    const fields = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, 1]));
    expect(codeOf(fields(64))).toBe("accepted");
    expect(codeOf(fields(65))).toBe("too_many_values");
    expect(codeOf({ metadata: fields(65) })).toBe("accepted");
    expect(codeOf(fields(65), JSON_LIMITS.hook)).toBe("accepted");
    expect(
      codeOf(
        Array.from({ length: 20_000 }, () => 0),
        JSON_LIMITS.hook,
      ),
    ).toBe("accepted");
    expect(
      codeOf(
        Array.from({ length: 20_001 }, () => 0),
        JSON_LIMITS.hook,
      ),
    ).toBe("too_many_values");
  });

  test("refuse numbers that JSON.stringify would write as null", () => {
    expect(codeOf({ a: [{ b: JSON.parse("1e999") as unknown }] })).toBe("invalid_request");
    expect(codeOf({ a: JSON.parse("-1e999") as unknown })).toBe("invalid_request");
    expect(codeOf({ a: 1e308 })).toBe("accepted");
  });
});
