// The senders against the worked examples and the libraries that the providers publish. A library accepts every request that we accept.
// If a library is laxer than docs/contract.md, the Worker is stricter than the library.
import { createHmac } from "node:crypto";
import { verify as githubVerify } from "@octokit/webhooks-methods";
import fc from "fast-check";
import OpenAI from "openai";
import { Webhook } from "standardwebhooks";
import { Stripe } from "stripe";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { github } from "../../src/hooks/github.ts";
import { slack } from "../../src/hooks/slack.ts";
import { standard } from "../../src/hooks/standard.ts";
import {
  webhookRequest,
  GITHUB,
  NOW_S,
  type SignedSample,
  SLACK,
  STANDARD,
  STRIPE,
  verify,
} from "../support/webhook-samples.ts";

const BODY = '{"id":"evt_1","type":"response.completed"}';

describe("published examples", () => {
  // docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation".
  test("GitHub's example is accepted", async () => {
    const headers = {
      "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    };
    expect(await github.verify(webhookRequest("Hello, World!", headers, ["It's a Secret to Everybody"]))).toEqual({
      secret: 0,
    });
  });

  // docs.slack.dev, "Verifying requests from Slack".
  test("Slack's example is accepted", async () => {
    const body =
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const headers = {
      "X-Slack-Request-Timestamp": "1531420618",
      "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    };
    const sent = webhookRequest(body, headers, ["8f742231b10e8888abcd99yyyzzz85a5"], 1_531_420_618_000);
    expect(await slack.verify(sent)).toEqual({ secret: 0 });
  });

  // The test vector of the Standard Webhooks libraries.
  test("the example of Standard Webhooks is accepted", async () => {
    const headers = {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };
    const sent = webhookRequest(
      '{"test": 2432232314}',
      headers,
      ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
      1_614_265_330_000,
    );
    expect(await standard.verify(sent)).toEqual({ secret: 0 });
    expect(standard.signedId({}, sent)).toBe("msg_p5jXN8AQM9LWM0D4loKWxJek");
  });

  // docs.svix.com, "Verifying webhooks manually".
  test("Svix's example is accepted, under its own header names", async () => {
    const headers = {
      "svix-id": "msg_loFOjxBNrRLzqYUf",
      "svix-timestamp": "1731705121",
      "svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    };
    const body = '{"event_type":"ping","data":{"success":true}}';
    const sent = webhookRequest(body, headers, ["whsec_plJ3nmyCDGBKInavdOK15jsl"], 1_731_705_121_000);
    expect(await standard.verify(sent)).toEqual({ secret: 0 });
    expect(standard.signedId({}, sent)).toBe("msg_loFOjxBNrRLzqYUf");
    const mixed = { ...headers, "webhook-id": "msg_loFOjxBNrRLzqYUf" };
    expect(await standard.verify({ ...sent, headers: new Headers(mixed) })).toEqual({ rejected: "missing_header" });
  });
});

describe("the providers' own libraries", () => {
  // The libraries take the time from Date.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: NOW_S * 1_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const OPENAI = new OpenAI({ apiKey: "sk-none" });
  type Library = (body: string, headers: Record<string, string>, secret: string) => Promise<boolean>;
  const accepts = async (call: () => unknown): Promise<boolean> => {
    try {
      return (await call()) !== false;
    } catch {
      return false;
    }
  };
  const LIBRARIES: readonly (readonly [name: string, sender: SignedSample, library: Library])[] = [
    ["standardwebhooks", STANDARD, (body, headers, secret) => accepts(() => new Webhook(secret).verify(body, headers))],
    [
      "openai",
      STANDARD,
      (body, headers, secret) => accepts(() => OPENAI.webhooks.verifySignature(body, headers, secret)),
    ],
    [
      "@octokit/webhooks-methods",
      GITHUB,
      (body, headers, secret) => githubVerify(secret, body, headers["x-hub-signature-256"] ?? ""),
    ],
    [
      "stripe",
      STRIPE,
      (body, headers, secret) =>
        accepts(() => Stripe.webhooks.constructEvent(body, headers["stripe-signature"] ?? "", secret)),
    ],
  ];

  const isAcceptedByUs = async (
    sample: SignedSample,
    body: string,
    headers: Record<string, string>,
    secret: string,
  ): Promise<boolean> => "secret" in (await verify(sample, webhookRequest(body, headers, [secret])));

  const edit = fc.record({
    header: fc.nat(2),
    at: fc.nat(120),
    cut: fc.nat(2),
    add: fc.oneof(
      fc.constantFrom("", " ", "+", "0", ",", "=", "v1", "v1,", "A", "suffix"),
      fc.string({ maxLength: 3 }),
    ),
  });

  test.each(LIBRARIES)("%s accepts every request that the Worker accepts", async (_name, sender, library) => {
    const [secret] = sender.secrets;
    let acceptedCount = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -310, max: 310 }),
        fc.array(edit, { maxLength: 2 }),
        async (seconds, edits) => {
          const headers = await sender.sign(BODY, secret, NOW_S + seconds);
          const names = Object.keys(headers);
          for (const { header, at, cut, add } of edits) {
            const name = names[header % names.length] ?? "";
            const value = headers[name] ?? "";
            headers[name] = (value.slice(0, at) + add + value.slice(at + cut)).trim();
          }
          if (!(await isAcceptedByUs(sender, BODY, headers, secret))) return;
          acceptedCount += 1;
          expect(await library(BODY, headers, secret)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
    expect(acceptedCount).toBeGreaterThan(50);
  });

  const signSample = (sender: SignedSample, seconds = NOW_S): Promise<Record<string, string>> =>
    sender.sign(BODY, sender.secrets[0], seconds);
  const LAX: readonly (readonly [what: string, library: number, headers: () => Promise<Record<string, string>>])[] = [
    [
      "a time followed by letters",
      0,
      async () => ({ ...(await signSample(STANDARD)), "webhook-timestamp": `${NOW_S}suffix` }),
    ],
    [
      "a time that begins with a plus",
      0,
      async () => ({ ...(await signSample(STANDARD)), "webhook-timestamp": `+${NOW_S}` }),
    ],
    [
      "a time that begins with a zero",
      0,
      async () => ({ ...(await signSample(STANDARD)), "webhook-timestamp": `0${NOW_S}` }),
    ],
    [
      "a signature without its version",
      1,
      async () => {
        const headers = await signSample(STANDARD);
        return { ...headers, "webhook-signature": headers["webhook-signature"]?.slice("v1,".length) ?? "" };
      },
    ],
    [
      "a signature followed by more characters",
      0,
      async () => {
        const headers = await signSample(STANDARD);
        return { ...headers, "webhook-signature": `${headers["webhook-signature"]},v1` };
      },
    ],
    ["a time a day ahead", 3, () => signSample(STRIPE, NOW_S + 86_400)],
    [
      "a time followed by letters",
      3,
      async () => ({
        "stripe-signature": (await signSample(STRIPE))["stripe-signature"]?.replace(",", "suffix,") ?? "",
      }),
    ],
    ["two times", 3, async () => ({ "stripe-signature": `t=1,${(await signSample(STRIPE))["stripe-signature"]}` })],
    [
      "an unknown item",
      3,
      async () => ({ "stripe-signature": `${(await signSample(STRIPE))["stripe-signature"]}, hello` }),
    ],
  ];

  test.each(LAX)("%s: the library accepts it, and the Worker rejects it", async (_what, at, headersOf) => {
    const [, sender, library] = LIBRARIES[at] ?? expect.unreachable();
    const headers = await headersOf();
    expect(await library(BODY, headers, sender.secrets[0])).toBe(true);
    expect(await isAcceptedByUs(sender, BODY, headers, sender.secrets[0])).toBe(false);
  });
});

describe("strictness without a library to compare", () => {
  const VERSIONS = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
  const withSignature = async (change: (signature: string) => string) => {
    const headers = await STANDARD.sign(BODY, STANDARD.secrets[0], NOW_S);
    headers["webhook-signature"] = change(headers["webhook-signature"] ?? "");
    return standard.verify(webhookRequest(BODY, headers, [STANDARD.secrets[0]]));
  };

  test("signatures of other versions are ignored, and don't suffice alone", async () => {
    expect(await withSignature((signature) => `${VERSIONS} ${signature}`)).toEqual({ secret: 0 });
    expect(await withSignature((signature) => `${signature} v2,x-y_z`)).toEqual({ secret: 0 });
    expect(await withSignature(() => VERSIONS)).toEqual({ rejected: "malformed_header" });
    expect(await withSignature((signature) => `${signature} ${signature.slice("v1,".length)}`)).toEqual({
      rejected: "malformed_header",
    });
    expect(await withSignature((signature) => `${signature}  ${signature}`)).toEqual({ rejected: "malformed_header" });
    expect(await withSignature((signature) => signature.replace("v1,", "v2,"))).toEqual({
      rejected: "malformed_header",
    });
  });

  test("another spelling of the same bytes is rejected", async () => {
    // The last base64 character of 32 bytes has two unused bits.
    const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const respell = (signature: string) =>
      signature.replace(/(.)=$/, (_, last: string) => `${ALPHABET[ALPHABET.indexOf(last) ^ 1] ?? ""}=`);
    expect(await withSignature(respell)).toEqual({ rejected: "bad_signature" });
    const headers = await GITHUB.sign(BODY, GITHUB.secrets[0], NOW_S);
    const shouted = {
      "x-hub-signature-256": headers["x-hub-signature-256"]?.toUpperCase().replace("SHA", "sha") ?? "",
    };
    expect(await github.verify(webhookRequest(BODY, shouted, GITHUB.secrets))).toEqual({
      rejected: "malformed_header",
    });
  });

  test("another spelling of the same time is rejected even if it was signed", async () => {
    const [secret] = SLACK.secrets;
    for (const time of [
      `0${NOW_S}`,
      `+${NOW_S}`,
      `${NOW_S}.0`,
      "1.795380588e9",
      ` ${NOW_S}`,
      `${NOW_S}suffix`,
      "",
      "٣",
    ]) {
      const signature = `v0=${createHmac("sha256", secret).update(`v0:${time}:${BODY}`).digest("hex")}`;
      const headers = { get: (name: string) => (name === "x-slack-signature" ? signature : time) } as Headers;
      expect(await slack.verify({ ...webhookRequest(BODY, {}, [secret]), headers })).toEqual({
        rejected: "malformed_header",
      });
    }
  });

  test("an id with a `.`, which could be read as another id and another time, is rejected", async () => {
    const id = "msg_1.2";
    const signature = new Webhook(STANDARD.secrets[0]).sign(id, new Date(NOW_S * 1_000), BODY);
    const headers = { "webhook-id": id, "webhook-timestamp": String(NOW_S), "webhook-signature": signature };
    expect(await standard.verify(webhookRequest(BODY, headers, STANDARD.secrets))).toEqual({
      rejected: "malformed_header",
    });
  });

  test("GitHub's older sha1 signature is ignored", async () => {
    const headers = { "x-hub-signature": "sha1=0000000000000000000000000000000000000000" };
    expect(await github.verify(webhookRequest(BODY, headers, GITHUB.secrets))).toEqual({ rejected: "missing_header" });
  });

  test("Stripe's test signature v0 does not replace v1", async () => {
    const { "stripe-signature": header = "" } = await STRIPE.sign(BODY, STRIPE.secrets[0], NOW_S);
    const verdict = (value: string) =>
      verify(STRIPE, webhookRequest(BODY, { "stripe-signature": value }, STRIPE.secrets));
    expect(await verdict(`${header},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39`)).toEqual({
      secret: 0,
    });
    expect(await verdict(header.replace("v1=", "v0="))).toEqual({ rejected: "malformed_header" });
    expect(await verdict(header.replace(/^t=\d+,/, ""))).toEqual({ rejected: "malformed_header" });
  });
});
