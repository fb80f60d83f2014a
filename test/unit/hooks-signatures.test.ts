// Every sender's `verify` accepts genuine requests, and rejects a request that differs from a genuine one by a byte.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { webhookRequest, NOW_S, type SignedSample, SAMPLES, TELEGRAM, verify } from "../support/webhook-samples.ts";

const BODY = '{"id":"evt_1","text":"größer, 👍"}';
const WITH_SIGNED_TIME = SAMPLES.filter(({ signsTime }) => signsTime);
const WITH_SIGNED_BODY = SAMPLES.filter(({ signsBody }) => signsBody);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function verifySample(
  sample: SignedSample,
  body: string | Uint8Array,
  headers: Record<string, string> | Headers,
  now?: number,
  secrets: readonly string[] = sample.secrets.slice(0, 1),
) {
  return verify(sample, webhookRequest(body, headers, secrets, now));
}

const OTHER_CHAR = fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code));

describe.each(SAMPLES)("$name", (sender) => {
  const [secret, other] = sender.secrets;

  test("accepts any body that its provider signs", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (body) => {
        expect(await verifySample(sender, body, await sender.sign(body, secret, NOW_S))).toEqual({ secret: 0 });
      }),
    );
  });

  test("rejects a header with a character changed, removed or added", async () => {
    const signed = await sender.sign(BODY, secret, NOW_S);
    const edits = fc.record({
      name: fc.constantFrom(...Object.keys(signed)),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      kind: fc.constantFrom("change", "drop", "add"),
      char: OTHER_CHAR,
    });
    await fc.assert(
      fc.asyncProperty(edits, async ({ name, at, kind, char }) => {
        const value = signed[name] ?? "";
        const index = Math.floor(at * value.length);
        const edited =
          value.slice(0, index) + (kind === "drop" ? "" : char) + value.slice(kind === "add" ? index : index + 1);
        // Headers trims a no-break space at the end, so the value would be unchanged.
        fc.pre(new Headers({ [name]: edited }).get(name) !== value);
        expect(await verifySample(sender, BODY, { ...signed, [name]: edited })).toHaveProperty("rejected");
      }),
      { numRuns: 400 },
    );
  });

  test("rejects a request without a header as missing_header, and one with a header twice as malformed_header", async () => {
    const signed = await sender.sign(BODY, secret, NOW_S);
    for (const name of Object.keys(signed)) {
      const without = new Headers(signed);
      without.delete(name);
      expect(await verifySample(sender, BODY, without)).toEqual({ rejected: "missing_header" });
      const twice = new Headers(signed);
      twice.append(name, signed[name] ?? "");
      expect(await verifySample(sender, BODY, twice)).toEqual({ rejected: "malformed_header" });
    }
  });

  test("rejects arbitrary headers without throwing", async () => {
    const names = Object.keys(await sender.sign(BODY, secret, NOW_S));
    const text = fc.oneof(
      fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) }),
      fc.stringMatching(/^[tv][0-9a]{0,2}[=,][0-9a-f+/=, v]{0,80}$/),
      fc.constantFrom(
        "",
        "0",
        "-1",
        "1e9",
        "0x6b037a2c",
        "99999999999999",
        "NaN",
        "v1,",
        "v1=",
        "t=,v1=",
        "sha256=",
        "=",
        ",",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.tuple(...names.map(() => text)), fc.uint8Array(), async (values, body) => {
        const headers = Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
        expect(await verifySample(sender, body, headers)).toHaveProperty("rejected");
      }),
      { numRuns: 300 },
    );
  });

  test("accepts the new and the old secret during a rotation, but not a third one", async () => {
    const now = NOW_S * 1_000;
    expect(await verifySample(sender, BODY, await sender.sign(BODY, secret, NOW_S), now, [other, secret])).toEqual({
      secret: 1,
    });
    expect(await verifySample(sender, BODY, await sender.sign(BODY, other, NOW_S), now, [other, secret])).toEqual({
      secret: 0,
    });
    expect(await verifySample(sender, BODY, await sender.sign(BODY, other, NOW_S), now, [secret])).toEqual({
      rejected: "bad_signature",
    });
  });

  test("rejects every request without a secret, with an empty one or with one of another form, and never throws", async () => {
    const signed = await sender.sign(BODY, secret, NOW_S);
    for (const secrets of [[], [""], ["whsec_"], ["ß"], ["whsec_not base64"]]) {
      expect(await verifySample(sender, BODY, signed, NOW_S * 1_000, secrets)).toEqual({ rejected: "bad_signature" });
    }
  });
});

describe.each(WITH_SIGNED_BODY)("$name, whose signature covers the body,", (sender) => {
  test("rejects a body with any bit changed", async () => {
    const body = bytes(BODY);
    const signed = await sender.sign(BODY, sender.secrets[0], NOW_S);
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Uint8Array.from(body, (byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(await verifySample(sender, changed, signed)).toEqual({ rejected: "bad_signature" });
    }
    for (const changed of [
      body.slice(1),
      body.slice(0, -1),
      bytes(`${BODY}\n`),
      bytes(`\uFEFF${BODY}`),
      new Uint8Array(0),
    ]) {
      expect(await verifySample(sender, changed, signed)).toEqual({ rejected: "bad_signature" });
    }
  });
});

test("Telegram does not sign the body, and only its secret proves the sender", async () => {
  const signed = await TELEGRAM.sign(BODY, TELEGRAM.secrets[0], NOW_S);
  expect(await verifySample(TELEGRAM, "{}", signed)).toEqual({ secret: 0 });
});

describe.each(WITH_SIGNED_TIME)("$name, whose signature covers the time,", (sender) => {
  test("accepts a time off by 300 s but not by 301 s, in both directions, counted in whole seconds", async () => {
    const signed = await sender.sign(BODY, sender.secrets[0], NOW_S);
    const at = (seconds: number, ms = 0) => verifySample(sender, BODY, signed, (NOW_S + seconds) * 1_000 + ms);
    expect(await at(300)).toEqual({ secret: 0 });
    expect(await at(300, 999)).toEqual({ secret: 0 });
    expect(await at(301)).toEqual({ rejected: "stale_timestamp" });
    expect(await at(-300)).toEqual({ secret: 0 });
    expect(await at(-300, -1)).toEqual({ rejected: "future_timestamp" });
    expect(await at(-301)).toEqual({ rejected: "future_timestamp" });
  });

  test("accepts any time within 300 s and no other", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -100_000, max: 100_000 }), async (seconds) => {
        const signed = await sender.sign(BODY, sender.secrets[0], NOW_S + seconds);
        const passes = Math.abs(seconds) <= 300;
        expect("secret" in (await verifySample(sender, BODY, signed))).toBe(passes);
      }),
    );
  });
});

describe.each(SAMPLES.filter(({ combine }) => combine !== undefined))(
  "$name, with two signatures in one request,",
  (sender) => {
    const [fresh, old] = sender.secrets;

    test("accepts one match in either place", async () => {
      const [one, two] = [await sender.sign(BODY, fresh, NOW_S), await sender.sign(BODY, old, NOW_S)];
      const now = NOW_S * 1_000;
      for (const pair of [sender.combine?.(one, two), sender.combine?.(two, one)]) {
        expect(await verifySample(sender, BODY, pair ?? {}, now, [fresh])).toEqual({ secret: 0 });
        expect(await verifySample(sender, BODY, pair ?? {}, now, [old])).toEqual({ secret: 0 });
        expect(await verifySample(sender, BODY, pair ?? {}, now, [fresh, old])).toEqual({ secret: 0 });
        expect(await verifySample(sender, `${BODY} `, pair ?? {}, now, [fresh, old])).toEqual({
          rejected: "bad_signature",
        });
      }
    });
  },
);
