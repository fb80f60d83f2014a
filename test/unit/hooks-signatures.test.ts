// What every webhook scheme promises, whoever the sender is: genuine deliveries pass, and nothing that differs from one by a byte does.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { webhookRequest, NOW_S, type SignedSample, SAMPLES, TELEGRAM, verify } from "../support/signed-deliveries.ts";

const BODY = '{"id":"evt_1","text":"größer, 👍"}';
const DATED = SAMPLES.filter(({ signsTime }) => signsTime);
const SEALED = SAMPLES.filter(({ signsBody }) => signsBody);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function verdict(
  sample: SignedSample,
  body: string | Uint8Array,
  headers: Record<string, string> | Headers,
  now?: number,
  known: readonly string[] = sample.secrets.slice(0, 1),
) {
  return verify(sample, webhookRequest(body, headers, known, now));
}

const OTHER_CHAR = fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code));

describe.each(SAMPLES)("$name", (sender) => {
  const [secret, other] = sender.secrets;

  test("any body that its sender signs is let through", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (body) => {
        expect(await verdict(sender, body, await sender.sign(body, secret, NOW_S))).toEqual({ secret: 0 });
      }),
    );
  });

  test("a header with a character changed, gone or added is refused", async () => {
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
        // A no-break space is a character, but at the end of a header not one of its value.
        fc.pre(new Headers({ [name]: edited }).get(name) !== value);
        expect(await verdict(sender, BODY, { ...signed, [name]: edited })).toHaveProperty("rejected");
      }),
      { numRuns: 400 },
    );
  });

  test("without a header, or with one twice, it is refused and said so", async () => {
    const signed = await sender.sign(BODY, secret, NOW_S);
    for (const name of Object.keys(signed)) {
      const without = new Headers(signed);
      without.delete(name);
      expect(await verdict(sender, BODY, without)).toEqual({ rejected: "missing_header" });
      const twice = new Headers(signed);
      twice.append(name, signed[name] ?? "");
      expect(await verdict(sender, BODY, twice)).toEqual({ rejected: "malformed_header" });
    }
  });

  test("whatever a stranger writes into the headers is refused, never thrown at", async () => {
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
        expect(await verdict(sender, body, headers)).toHaveProperty("rejected");
      }),
      { numRuns: 300 },
    );
  });

  test("while a secret is rotated, deliveries under the new and the old one pass, and those under a third don't", async () => {
    const now = NOW_S * 1_000;
    expect(await verdict(sender, BODY, await sender.sign(BODY, secret, NOW_S), now, [other, secret])).toEqual({
      secret: 1,
    });
    expect(await verdict(sender, BODY, await sender.sign(BODY, other, NOW_S), now, [other, secret])).toEqual({
      secret: 0,
    });
    expect(await verdict(sender, BODY, await sender.sign(BODY, other, NOW_S), now, [secret])).toEqual({
      rejected: "bad_signature",
    });
  });

  test("without a secret, with an empty one or one that is none of its own, nothing passes and nothing is thrown", async () => {
    const signed = await sender.sign(BODY, secret, NOW_S);
    for (const known of [[], [""], ["whsec_"], ["ß"], ["whsec_not base64"]]) {
      expect(await verdict(sender, BODY, signed, NOW_S * 1_000, known)).toEqual({ rejected: "bad_signature" });
    }
  });
});

describe.each(SEALED)("$name signs the body", (sender) => {
  test("each bit of it counts", async () => {
    const body = bytes(BODY);
    const signed = await sender.sign(BODY, sender.secrets[0], NOW_S);
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Uint8Array.from(body, (byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(await verdict(sender, changed, signed)).toEqual({ rejected: "bad_signature" });
    }
    for (const changed of [
      body.slice(1),
      body.slice(0, -1),
      bytes(`${BODY}\n`),
      bytes(`\uFEFF${BODY}`),
      new Uint8Array(0),
    ]) {
      expect(await verdict(sender, changed, signed)).toEqual({ rejected: "bad_signature" });
    }
  });
});

test("Telegram signs no body: its secret alone proves the sender", async () => {
  const signed = await TELEGRAM.sign(BODY, TELEGRAM.secrets[0], NOW_S);
  expect(await verdict(TELEGRAM, "{}", signed)).toEqual({ secret: 0 });
});

describe.each(DATED)("$name signs the time", (sender) => {
  test("300 s pass and 301 s do not, both ways, to the last millisecond of a second", async () => {
    const signed = await sender.sign(BODY, sender.secrets[0], NOW_S);
    const at = (seconds: number, ms = 0) => verdict(sender, BODY, signed, (NOW_S + seconds) * 1_000 + ms);
    expect(await at(300)).toEqual({ secret: 0 });
    expect(await at(300, 999)).toEqual({ secret: 0 });
    expect(await at(301)).toEqual({ rejected: "stale_timestamp" });
    expect(await at(-300)).toEqual({ secret: 0 });
    expect(await at(-300, -1)).toEqual({ rejected: "future_timestamp" });
    expect(await at(-301)).toEqual({ rejected: "future_timestamp" });
  });

  test("whatever the distance, it is that rule alone", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -100_000, max: 100_000 }), async (seconds) => {
        const signed = await sender.sign(BODY, sender.secrets[0], NOW_S + seconds);
        const passes = Math.abs(seconds) <= 300;
        expect("secret" in (await verdict(sender, BODY, signed))).toBe(passes);
      }),
    );
  });
});

describe.each(SAMPLES.filter(({ combine }) => combine !== undefined))(
  "$name puts two signatures into one delivery",
  (sender) => {
    const [fresh, old] = sender.secrets;

    test("one that fits is enough, in either place, and two that don't are not", async () => {
      const [one, two] = [await sender.sign(BODY, fresh, NOW_S), await sender.sign(BODY, old, NOW_S)];
      const now = NOW_S * 1_000;
      for (const pair of [sender.combine?.(one, two), sender.combine?.(two, one)]) {
        expect(await verdict(sender, BODY, pair ?? {}, now, [fresh])).toEqual({ secret: 0 });
        expect(await verdict(sender, BODY, pair ?? {}, now, [old])).toEqual({ secret: 0 });
        expect(await verdict(sender, BODY, pair ?? {}, now, [fresh, old])).toEqual({ secret: 0 });
        expect(await verdict(sender, `${BODY} `, pair ?? {}, now, [fresh, old])).toEqual({ rejected: "bad_signature" });
      }
    });
  },
);
