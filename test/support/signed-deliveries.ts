// Deliveries as the providers make them, signed by their own libraries or, where there is none, by the recipe of their documentation
// in Node's crypto. Nothing of src signs here.
import { createHmac } from "node:crypto";
import { sign as githubSign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { Stripe } from "stripe";
import type { WebhookRequest, Scheme } from "../../src/hooks/scheme.ts";
import { github } from "../../src/hooks/github.ts";
import { hmac } from "../../src/hooks/hmac.ts";
import { slack } from "../../src/hooks/slack.ts";
import { standard } from "../../src/hooks/standard.ts";
import { stripe } from "../../src/hooks/stripe.ts";
import { telegram } from "../../src/hooks/telegram.ts";

/** 2026-11-22T20:49:48Z. */
export const NOW_S = 1_795_380_588;

export interface Sender {
  name: string;
  scheme: Scheme;
  /** Two of its form. */
  secrets: readonly [string, string];
  /** Headers, all of which prove something. @param seconds when it is sent */
  sign: (body: string, secret: string, seconds: number) => Promise<Record<string, string>>;
  /** It signs the time. */
  dated: boolean;
  /** It signs the body. */
  sealed: boolean;
  /** Two signatures in one delivery; absent where it makes only one. */
  both?: (one: Record<string, string>, other: Record<string, string>) => Record<string, string>;
}

const digest = (encoding: "hex" | "base64", secret: string, text: string): string =>
  createHmac("sha256", secret).update(text).digest(encoding);
const joined =
  (header: string, separator: string): NonNullable<Sender["both"]> =>
  (one, other) => ({ ...one, [header]: `${one[header]}${separator}${other[header]}` });

const WHSEC = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] as const;

export const STANDARD: Sender = {
  name: "standard",
  scheme: standard,
  secrets: WHSEC,
  sign: async (body, secret, seconds) => ({
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": String(seconds),
    "webhook-signature": new Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", new Date(seconds * 1_000), body),
  }),
  dated: true,
  sealed: true,
  both: joined("webhook-signature", " "),
};

export const GITHUB: Sender = {
  name: "github",
  scheme: github,
  secrets: ["It's a Secret to Everybody", "another secret"],
  sign: async (body, secret) => ({ "x-hub-signature-256": await githubSign(secret, body) }),
  dated: false,
  sealed: true,
};

export const STRIPE: Sender = {
  name: "stripe",
  scheme: stripe,
  secrets: ["whsec_test_secret", "whsec_another_secret"],
  sign: async (payload, secret, timestamp) => ({
    // The other form of it does not run in workerd.
    "stripe-signature": await Stripe.webhooks.generateTestHeaderStringAsync({ payload, secret, timestamp }),
  }),
  dated: true,
  sealed: true,
  both: (one, other) => ({
    "stripe-signature": `${one["stripe-signature"]},${other["stripe-signature"]?.replace(/^t=\d+,/, "")}`,
  }),
};

export const SLACK: Sender = {
  name: "slack",
  scheme: slack,
  secrets: ["8f742231b10e8888abcd99yyyzzz85a5", "0123456789abcdef0123456789abcdef"],
  sign: async (body, secret, seconds) => ({
    "x-slack-request-timestamp": String(seconds),
    "x-slack-signature": `v0=${digest("hex", secret, `v0:${seconds}:${body}`)}`,
  }),
  dated: true,
  sealed: true,
};

export const TELEGRAM: Sender = {
  name: "telegram",
  scheme: telegram,
  secrets: ["Ux3-kq_8PvLw", "b9Zt-2mRc_Yy"],
  sign: async (_body, secret) => ({ "x-telegram-bot-api-secret-token": secret }),
  dated: false,
  sealed: false,
};

export const SHOPIFY: Sender = {
  name: "hmac, as Shopify signs",
  scheme: hmac({
    header: "X-Shopify-Hmac-Sha256",
    encoding: "base64",
    template: "{body}",
    id_header: "X-Shopify-Webhook-Id",
  }),
  secrets: ["hush", "hush again"],
  sign: async (body, secret) => ({ "x-shopify-hmac-sha256": digest("base64", secret, body) }),
  dated: false,
  sealed: true,
};

export const DATED_HMAC: Sender = {
  name: "hmac with a time",
  scheme: hmac({
    header: "x-signature",
    encoding: "hex",
    template: "v1|{timestamp}|{body}|",
    timestamp_header: "x-sent-at",
  }),
  secrets: ["one", "two"],
  sign: async (body, secret, seconds) => ({
    "x-sent-at": String(seconds),
    "x-signature": digest("hex", secret, `v1|${seconds}|${body}|`),
  }),
  dated: true,
  sealed: true,
};

export const SENDERS: readonly Sender[] = [STANDARD, GITHUB, STRIPE, SLACK, TELEGRAM, SHOPIFY, DATED_HMAC];

export function delivery(
  body: string | Uint8Array,
  headers: Record<string, string> | Headers,
  secrets: readonly string[],
  now = NOW_S * 1_000,
): WebhookRequest {
  const raw = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return { raw, headers: new Headers(headers), url: "https://ask.example.com/hooks/h", now, secrets };
}
