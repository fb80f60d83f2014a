// In workerd: a shared decoder that has failed, and random bytes.
import { expect, test } from "vitest";
import { decodeUtf8 } from "../../src/core/lib/json.ts";
import { randomHex } from "../../src/wire.ts";

const BROKEN = [[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98], [0xc0, 0xaf], [0x61, 0xe2]];
const TEXTS = ["", "plain", "café", "\u{1f600}", "\ufeffmarked", "a\u0000b", "漢字"];

test.each(BROKEN.map((bytes) => [bytes]))("the shared decoder still works after %j, which is not UTF-8", (bytes) => {
  for (const text of TEXTS) {
    expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow("not well-formed UTF-8");
    expect(decodeUtf8(new TextEncoder().encode(text))).toBe(text.replace(/^\ufeff/, ""));
  }
});

test("randomHex returns as many bytes as requested, and never the same ones twice", () => {
  const seen = new Set<string>();
  for (let n = 0; n < 2_000; n += 1) {
    const bytes = 6 + (n % 59);
    const text = randomHex(bytes);
    expect(text).toMatch(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
    for (let at = 0; at + 12 <= text.length; at += 12) seen.add(text.slice(at, at + 12));
  }
  const pieces = Array.from({ length: 2_000 }, (_, n) => Math.floor((6 + (n % 59)) / 6)).reduce(
    (sum, count) => sum + count,
    0,
  );
  expect(seen.size).toBe(pieces);
});
