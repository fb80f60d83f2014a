// Bytes as text, against Node's own encodings.
import fc from "fast-check";
import { expect, test } from "vitest";
import { base64url, fromBase64url, hexOf, utf8Of } from "../../src/core/lib/bytes.ts";
import { decodeUtf8 } from "../../src/core/lib/json.ts";

const Bytes = fc.uint8Array({ maxLength: 300 });

test("base64url and hex equal Node's, and base64url decodes to the same bytes", () => {
  fc.assert(
    fc.property(Bytes, (bytes) => {
      expect(base64url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
      expect(fromBase64url(base64url(bytes))).toEqual(new Uint8Array(bytes));
      expect(hexOf(bytes)).toBe(Buffer.from(bytes).toString("hex"));
    }),
  );
});

test("text that is not base64url, or ends within a byte, is refused", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (text) => {
      const read = fromBase64url(text);
      if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) expect(read).toBeNull();
      else expect(read).toEqual(new Uint8Array(Buffer.from(text, "base64url")));
    }),
  );
});

test("UTF-8 equals Node's", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
      expect(utf8Of(text)).toEqual(new Uint8Array(Buffer.from(text)));
    }),
  );
});

test("bytes that are not UTF-8 are refused, and the decoder still works afterwards", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.constantFrom([0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80]),
      (text, broken) => {
        expect(() => decodeUtf8(Uint8Array.from([0x61, ...broken]))).toThrow("not well-formed UTF-8");
        expect(decodeUtf8(new TextEncoder().encode(text))).toBe(text.replace(/^\ufeff/, ""));
      },
    ),
  );
});
