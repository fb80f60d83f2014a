// A verified event: its payload, its id, whether a bot caused it, and its acknowledgement.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HookResult } from "../../src/contract/job.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { hookSecrets, type Sender } from "../../src/hooks/sender.ts";
import { github } from "../../src/hooks/github.ts";
import { senderOf, SENDERS } from "../../src/hooks/senders.ts";
import { slack } from "../../src/hooks/slack.ts";
import { standard } from "../../src/hooks/standard.ts";
import { stripe } from "../../src/hooks/stripe.ts";
import { telegram } from "../../src/hooks/telegram.ts";
import { NOW_S, webhookRequest, SAMPLES, SHOPIFY, verify } from "../support/webhook-samples.ts";

const sample = (file: string): Uint8Array => readFileSync(new URL(`../fixtures/hooks/${file}`, import.meta.url));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const JSON_TYPE = new Headers({ "content-type": "application/json" });
const FORM_TYPE = new Headers({ "content-type": "application/x-www-form-urlencoded; charset=utf-8" });
const NO_HEADERS = new Headers();
const BARE = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const read = (text: string, headers = JSON_TYPE): unknown => github.parse(bytes(text), headers);
const slackMessage = slack.parse(sample("slack-message.json"), JSON_TYPE);
const slackCommand = slack.parse(sample("slack-command.txt"), FORM_TYPE);

describe("the payload of an event", () => {
  test("is JSON, regardless of its content type", () => {
    expect(read('{"a":[1]}')).toEqual({ a: [1] });
    expect(read(' [{"a":1}]', NO_HEADERS)).toEqual([{ a: 1 }]);
    expect(read('\uFEFF{"a":1}', new Headers({ "content-type": "text/plain" }))).toEqual({ a: 1 });
  });

  test("is unwrapped from a form, as GitHub and Slack send it", () => {
    const form = `payload=${encodeURIComponent('{"zen":"größer & mehr"}')}`;
    expect(read(form, FORM_TYPE)).toEqual({ zen: "größer & mehr" });
  });

  test("has the fields of a form without `payload`, like a slash command", () => {
    expect(slackCommand).toMatchObject({ command: "/ask", text: "when do you open?" });
  });

  test("has integers beyond 2^53 as text, and all other numbers as numbers", () => {
    const text = '{"id":820982911946154508,"n":[-9007199254740993,9007199254740991,0.5]}';
    const payload = { id: "820982911946154508", n: ["-9007199254740993", 9007199254740991, 0.5] };
    expect(read(text)).toEqual(payload);
    expect(read(`payload=${text}`, FORM_TYPE)).toEqual(payload);
    expect(read("id=820982911946154508", FORM_TYPE)).toEqual({ id: "820982911946154508" });
  });

  test("may have as many fields as an order of a shop", () => {
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`f${n}`, "x"]));
    expect(read(JSON.stringify(fields))).toEqual(fields);
    expect(read(new URLSearchParams(fields).toString(), FORM_TYPE)).toEqual(fields);
  });

  test("is a form even if the content type is sent twice", () => {
    const type = "application/x-www-form-urlencoded, application/x-www-form-urlencoded";
    expect(read("a=1", new Headers({ "content-type": type }))).toEqual({ a: "1" });
  });

  test("in JSON can't be turned into a form by the content type, which is not signed", () => {
    const text = '{"body":"x&payload={\\"action\\":\\"opened\\"}"}';
    expect(read(text, FORM_TYPE)).toEqual({ body: 'x&payload={"action":"opened"}' });
  });

  test.each([
    ["empty", "", JSON_TYPE, "invalid_json"],
    ["incomplete JSON", '{"a":', JSON_TYPE, "invalid_json"],
    ["a form without its content type", "payload={}", NO_HEADERS, "invalid_json"],
    ["a form with an incomplete payload", "payload={", FORM_TYPE, "invalid_json"],
    ["a number", "7", JSON_TYPE, "invalid_request"],
    ["null", "null", JSON_TYPE, "invalid_request"],
    ["a form with a string as payload", 'payload="x"', FORM_TYPE, "invalid_request"],
    ["a form with a repeated field", "a=1&a=2", FORM_TYPE, "invalid_request"],
    ["a form with two payloads", "payload={}&payload={}", FORM_TYPE, "invalid_request"],
    ["JSON with __proto__", '{"a":{"__proto__":{"is_bot":true}}}', JSON_TYPE, "invalid_request"],
    ["a form with __proto__", "__proto__=1", FORM_TYPE, "invalid_request"],
    ["nested in 129 levels", `${"[".repeat(129)}${"]".repeat(129)}`, JSON_TYPE, "input_too_deep"],
    ["a list of 20,001 elements", `[${"0,".repeat(20_000)}0]`, JSON_TYPE, "too_many_values"],
    ["a form with a list of 20,001 elements", `payload=[${"0,".repeat(20_000)}0]`, FORM_TYPE, "too_many_values"],
    [
      "a form of 20,001 fields",
      Array.from({ length: 20_001 }, (_, n) => `f${n}=`).join("&"),
      FORM_TYPE,
      "too_many_values",
    ],
  ])("that is %s causes a Problem", (_what, text, headers, code) => {
    expect(() => read(text, headers)).toThrow(expect.objectContaining({ code }) as Error);
  });

  test("that is not UTF-8 causes a Problem", () => {
    expect(() => github.parse(Uint8Array.of(0x7b, 0xff, 0x7d), JSON_TYPE)).toThrow(
      expect.objectContaining({ code: "invalid_request" }) as Error,
    );
  });

  test("of any bytes is parsed, or causes a Problem of status 400", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array(), fc.json().map(bytes)),
        fc.constantFrom(JSON_TYPE, FORM_TYPE, NO_HEADERS),
        (raw, headers) => {
          try {
            expect(typeof github.parse(raw, headers)).toBe("object");
          } catch (error) {
            expect(error).toMatchObject({ name: "Problem", status: 400 });
          }
        },
      ),
    );
  });
});

describe("a handshake", () => {
  test("of Slack is answered with its challenge", () => {
    const payload = {
      token: "x",
      challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
      type: "url_verification",
    };
    expect(slack.handshake(payload)).toEqual({
      status: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ challenge: payload.challenge }),
    });
    expect(slack.handshake({ ...payload, challenge: { a: 1 } })).toBeNull();
  });

  test("of Slack that checks the certificate gets 200", () => {
    expect(slack.handshake({ ssl_check: "1", token: "x" })).toEqual({
      status: 200,
      headers: {},
      body: "",
    });
  });

  test("of GitHub is a ping and gets 200 `ignored`", () => {
    const ping = { zen: "Keep it logically awesome.", hook_id: 1 };
    const reply = { status: 200, headers: { "content-type": "application/json" }, body: '{"status":"ignored"}' };
    expect(github.handshake(ping, new Headers({ "X-GitHub-Event": "ping" }))).toEqual(reply);
    expect(github.handshake(ping, new Headers({ "X-GitHub-Event": "issues" }))).toBeNull();
  });

  test("is not mistaken for an event", () => {
    for (const payload of [slackMessage, slackCommand]) expect(slack.handshake(payload)).toBeNull();
    for (const { sender } of SAMPLES) expect(sender.handshake?.({}, NO_HEADERS) ?? null).toBeNull();
  });
});

describe("the id of an event", () => {
  const headers = new Headers({
    "x-github-delivery": "72d3162e-cc78-11e3",
    "webhook-id": "msg_1",
    "x-shopify-webhook-id": "b54557e4",
  });

  test("is the signed id, or null if the sender signs no id", () => {
    const id = (sender: Sender, payload: unknown) => sender.signedId(payload, { headers });
    expect(id(standard, {})).toBe("msg_1");
    expect(id(stripe, stripe.parse(sample("stripe-dispute-created.json"), JSON_TYPE))).toBe(
      "evt_1SVuZ2LkdIwHu7ixqYTj3nGk",
    );
    expect(id(slack, slackMessage)).toBe("Ev123ABC456");
    expect(id(slack, slackCommand)).toBeNull();
    expect(id(telegram, telegram.parse(sample("telegram-message.json"), JSON_TYPE))).toBe("734091825");
    expect(id(github, { id: 1 })).toBeNull();
    expect(id(SHOPIFY.sender, { id: 1 })).toBeNull();
  });

  test("is null if the field has another type than the provider documents", () => {
    for (const odd of [{ id: 7, event_id: {}, update_id: "1" }, { id: "", event_id: "", update_id: 1.5 }, [], {}]) {
      for (const sender of [stripe, slack, telegram] as readonly Sender[])
        expect(sender.signedId(odd, { headers })).toBeNull();
    }
  });

  test("in a header that is not signed is returned separately", () => {
    expect(github.unsignedId(headers)).toBe("72d3162e-cc78-11e3");
    expect(SHOPIFY.sender.unsignedId?.(headers, SHOPIFY.hook)).toBe("b54557e4");
    expect(github.unsignedId(NO_HEADERS)).toBeNull();
  });
});

/** Events that a bot made, by sender. */
const BOTS: readonly (readonly [name: string, sender: Sender, payload: object])[] = [
  ["GitHub's app", github, { sender: { login: "helper[bot]", type: "Bot" } }],
  ["Slack's bot_id", slack, { event: { type: "message", bot_id: "B1" } }],
  ["Slack's old webhooks", slack, { event: { type: "message", subtype: "bot_message" } }],
  ["Slack's bot_profile", slack, { event: { type: "message", bot_profile: { id: "B1" } } }],
  ["Slack's edit of a bot's message", slack, { event: { subtype: "message_changed", message: { bot_id: "B1" } } }],
  [
    "Slack's deletion of a bot's message",
    slack,
    { event: { subtype: "message_deleted", previous_message: { bot_id: "B1" } } },
  ],
  ["Slack's own app", slack, { api_app_id: "A1", event: { type: "message", app_id: "A1" } }],
  [
    "a reaction of our own bot user",
    slack,
    { event: { type: "reaction_added", user: "U1" }, authorizations: [{ user_id: "U1", is_bot: true }] },
  ],
  ["Telegram's", telegram, { update_id: 1, channel_post: { from: { is_bot: true } } }],
  [
    "Telegram's via an inline bot",
    telegram,
    { update_id: 1, message: { from: { is_bot: false }, via_bot: { is_bot: true } } },
  ],
  [
    "Telegram's, although it names a chat",
    telegram,
    { update_id: 1, message: { from: { id: 7, is_bot: true, username: "helper_bot" }, sender_chat: { id: -100 } } },
  ],
  [
    "the anonymous account without a chat",
    telegram,
    { update_id: 1, message: { from: { id: 1_087_968_824, is_bot: true } } },
  ],
  [
    "an anonymous admin's via an inline bot",
    telegram,
    {
      update_id: 1,
      message: {
        from: { id: 1_087_968_824, is_bot: true, username: "GroupAnonymousBot" },
        sender_chat: { id: -100 },
        via_bot: { id: 8, is_bot: true },
      },
    },
  ],
  ["Telegram's edit", telegram, { update_id: 1, edited_message: { from: { is_bot: true } } }],
];

/** Events that are not a bot's, for every sender. */
const PEOPLE: typeof BOTS = [
  ["a person on GitHub", github, github.parse(sample("github-issue-opened.json"), JSON_TYPE)],
  ["a person who mentions our bot in Slack", slack, slackMessage],
  ["a person's slash command", slack, slackCommand],
  ["a person who edits in Slack", slack, { event: { subtype: "message_changed", message: { user: "U2", text: "x" } } }],
  ["a person in Telegram", telegram, telegram.parse(sample("telegram-message.json"), JSON_TYPE)],
  [
    "a person who presses a button below our bot's message",
    telegram,
    { update_id: 1, callback_query: { from: { is_bot: false }, message: { from: { is_bot: true } } } },
  ],
  ...["message", "edited_message"].map((kind): (typeof BOTS)[number] => [
    `an anonymous admin of a group in Telegram (${kind})`,
    telegram,
    {
      update_id: 1,
      [kind]: {
        from: { id: 1_087_968_824, is_bot: true, first_name: "Group", username: "GroupAnonymousBot" },
        sender_chat: { id: -1_001_234_567_890, type: "supergroup", title: "Us" },
        chat: { id: -1_001_234_567_890, type: "supergroup", title: "Us" },
        text: "hi",
      },
    },
  ]),
  [
    "a person who writes as a channel in a group",
    telegram,
    {
      update_id: 1,
      message: {
        from: { id: 136_817_688, is_bot: true, first_name: "Channel", username: "Channel_Bot" },
        sender_chat: { id: -1_009_876_543_210, type: "channel", title: "News" },
      },
    },
  ],
  [
    "a channel's post that Telegram forwards to the channel's group",
    telegram,
    {
      update_id: 1,
      message: {
        from: { id: 777_000, is_bot: false, first_name: "Telegram" },
        sender_chat: { id: -1_009_876_543_210, type: "channel" },
        is_automatic_forward: true,
      },
    },
  ],
  [
    "a post of a channel, which has no `from`",
    telegram,
    { update_id: 1, channel_post: { sender_chat: { id: -1_009_876_543_210, type: "channel" }, text: "hi" } },
  ],
  ["any event of Stripe", stripe, { sender: { type: "Bot" } }],
  ["any event of a standard sender", standard, { sender: { type: "Bot" } }],
  ["any event of an hmac sender", SHOPIFY.sender, { event: { bot_id: "B1" } }],
];

describe("an event of a bot", () => {
  test.each(Object.entries(SENDERS))("has an example of what it is not, for the sender %s", (_name, sender) => {
    expect(PEOPLE.map((row) => row[1])).toContain(sender === SENDERS.hmac ? SHOPIFY.sender : sender);
  });

  test.each(BOTS)("is recognized: %s", (_what, sender, payload) => {
    expect(sender.isBot(payload)).toBe(true);
  });

  test.each(PEOPLE)("is not %s", (_what, sender, payload) => {
    expect(sender.isBot(payload)).toBe(false);
  });

  test("is searched for in any payload without an exception, and so are ids and handshakes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (payload) => {
        for (const { sender } of SAMPLES) {
          expect(typeof sender.isBot(payload)).toBe("boolean");
          sender.signedId(payload, { headers: NO_HEADERS });
          sender.handshake?.(payload, NO_HEADERS);
        }
      }),
    );
  });
});

describe("an acknowledgement", () => {
  const RESULTS: readonly HookResult[] = [
    { status: "accepted", job: "job_1" },
    { status: "duplicate", job: "job_1" },
    { status: "ignored" },
  ];

  test("is 202 for a new job, 200 for any other result, and names the job", () => {
    for (const { name, sender } of SAMPLES) {
      const payload = name === "slack" ? slackMessage : {};
      const headers = { "content-type": "application/json" };
      expect(RESULTS.map((result) => sender.acknowledge(result, payload))).toEqual([
        { status: 202, headers, body: '{"status":"accepted","job":"job_1"}' },
        { status: 200, headers, body: '{"status":"duplicate","job":"job_1"}' },
        { status: 200, headers, body: '{"status":"ignored"}' },
      ]);
    }
  });

  test("of a slash command or an interaction in Slack is an empty 200, because Slack would show a body to the user", () => {
    for (const payload of [slackCommand, { type: "block_actions" }, { type: "view_submission" }]) {
      for (const result of RESULTS)
        expect(slack.acknowledge(result, payload)).toEqual({ status: 200, headers: {}, body: "" });
    }
  });
});

describe("a hook in the config", () => {
  const { hooks } = defineConfig({
    presets: { support: { model: "gpt-6-sol" } },
    hooks: {
      svix: { scheme: "standard", secret_name: "SVIX_SECRET", preset: "support" },
      shop: {
        scheme: "hmac",
        secret_name: "SHOP_SECRET",
        preset: "support",
        header: "x-shopify-hmac-sha256",
        encoding: "base64",
      },
    },
  });

  test("has the sender that it names, and an hmac hook has its own settings", async () => {
    expect(senderOf(hooks["svix"] ?? expect.unreachable())).toBe(standard);
    const shop = hooks["shop"] ?? expect.unreachable();
    const [secret] = SHOPIFY.secrets;
    const signed = await SHOPIFY.sign("{}", secret, 0);
    expect(await senderOf(shop).verify(webhookRequest("{}", signed, [secret]), shop)).toEqual({ secret: 0 });
  });

  test("accepts an hmac signature with or without `sha256=` in front", async () => {
    const [secret] = SHOPIFY.secrets;
    const { "x-shopify-hmac-sha256": signature = "" } = await SHOPIFY.sign("{}", secret, 0);
    const verdict = (value: string) =>
      verify(SHOPIFY, webhookRequest("{}", { "x-shopify-hmac-sha256": value }, [secret]));
    expect(await verdict(`sha256=${signature}`)).toEqual({ secret: 0 });
    for (const prefix of ["sha1=", "sha512=", "sha256=sha256=", "SHA256=", "="]) {
      expect(await verdict(`${prefix}${signature}`)).toEqual({ rejected: "malformed_header" });
    }
  });

  test("reads all secrets of one setting, newest first", () => {
    expect(hookSecrets(github, "GITHUB_SECRET", " new , old,")).toEqual(["new", "old"]);
  });

  test.each([
    ["in the form that Supabase shows", "v1,whsec_AAAA", ["whsec_AAAA"]],
    ["separated by spaces, each with its version", "v1,whsec_AAAA v1,whsec_BBBB", ["whsec_AAAA", "whsec_BBBB"]],
    ["separated by commas, each with its version", "v1,whsec_AAAA,v1,whsec_BBBB", ["whsec_AAAA", "whsec_BBBB"]],
    ["separated by commas and spaces", " whsec_AAAA , whsec_BBBB\n", ["whsec_AAAA", "whsec_BBBB"]],
    ["in bare base64", `${BARE},v1,${BARE}`, [BARE, BARE]],
  ])("of a standard sender reads secrets %s", (_, value, secrets) => {
    expect(hookSecrets(standard, "THE_SECRET", value)).toEqual(secrets);
  });

  test("of a standard sender verifies with each form of its secret", async () => {
    const key = Buffer.from("a secret of twenty-four bytes");
    for (const value of ["whsec_", "v1,whsec_", "v1,", ""].map((prefix) => prefix + key.toString("base64"))) {
      const secrets = ["whsec_b3RoZXI=", value].join(" ");
      const signature = createHmac("sha256", key).update(`msg_1.${NOW_S}.{}`).digest("base64");
      const headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": String(NOW_S),
        "webhook-signature": `v1,${signature}`,
      };
      const request = webhookRequest("{}", headers, hookSecrets(standard, "THE_SECRET", secrets));
      expect(await standard.verify(request)).toEqual({ secret: 1 });
    }
  });

  test("whose secret is missing or not of the sender's form is misconfigured, and the message never contains the value", () => {
    const mistake = (run: () => unknown): unknown => {
      try {
        return run();
      } catch (error) {
        return error;
      }
    };
    for (const value of [undefined, "", " , "]) {
      const missing = expect.objectContaining({
        code: "misconfigured",
        message: expect.stringContaining("GITHUB_SECRET is missing"),
      });
      expect(mistake(() => hookSecrets(github, "GITHUB_SECRET", value))).toEqual(missing);
    }
    for (const [sender, value] of [
      [standard, "secret-value"],
      [standard, "whsec_secret-value"],
      [standard, "v1a,whpk_AAAA"],
      [standard, "whsec_AAAAA"],
      [standard, "whsec_AAA=AAAA"],
      [stripe, "sk_live_secret-value"],
      [stripe, "whsec_secret value"],
      [telegram, "secret value"],
      [telegram, "x".repeat(257)],
    ] as const) {
      const problem = mistake(() => hookSecrets(sender, "THE_SECRET", value)) as Error;
      expect(problem).toMatchObject({ code: "misconfigured", details: { reason: "THE_SECRET" } });
      expect(problem.message).toMatch(/THE_SECRET must be/);
      expect(problem.message).not.toContain(value.slice(-5));
    }
    for (const { sender, secrets } of SAMPLES)
      expect(hookSecrets(sender, "THE_SECRET", secrets.join(","))).toEqual([...secrets]);
  });
});
