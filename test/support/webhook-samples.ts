// Samples of every sender in SENDERS: requests as its provider makes them, signed by the provider's own library or, where there is none, by
// the recipe of its documentation in Node's crypto. No code of src signs here.
import { createHmac } from "node:crypto";
import { sign as githubSign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { Stripe } from "stripe";
import type { ConfigInput, Hook, SenderName } from "../../src/core/config/config-schema.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import type { Sender, WebhookRequest } from "../../src/hooks/sender.ts";
import { senderOf } from "../../src/hooks/senders.ts";

/** 2026-11-22T20:49:48Z. */
export const NOW_S = 1_795_380_588;

export interface SignedSample {
  name: string;
  hook: Hook;
  sender: Sender;
  /** Two secrets of the sender's form. */
  secrets: readonly [string, string];
  /** The headers that authenticate the request. @param seconds when the request is sent */
  sign: (body: string, secret: string, seconds: number) => Promise<Record<string, string>>;
  signsTime: boolean;
  signsBody: boolean;
  /** Puts two signatures into one request; absent if the provider sends only one. */
  combine?: (one: Record<string, string>, other: Record<string, string>) => Record<string, string>;
}

/** A sample with a hook of its own. @param settings the hook's settings, as in the config */
function sampleOf(
  settings: Pick<NonNullable<ConfigInput["hooks"]>[string], "scheme"> &
    Partial<NonNullable<ConfigInput["hooks"]>[string]>,
  rest: Omit<SignedSample, "hook" | "sender" | "name"> & { name?: string },
): SignedSample {
  const { hooks } = defineConfig({
    presets: { support: { model: "gpt-6-luna" } },
    hooks: { h: { secret_name: "HOOK_SECRET", preset: "support", ...settings } },
  });
  const { h: hook } = hooks;
  if (hook === undefined) throw new Error("no hook");
  return { name: settings.scheme, hook, sender: senderOf(hook), ...rest };
}

/** Whether the sender of this sample accepts a request. */
export function verify({ sender, hook }: SignedSample, request: WebhookRequest): ReturnType<Sender["verify"]> {
  return sender.verify(request, hook);
}

const digest = (encoding: "hex" | "base64", secret: string, text: string): string =>
  createHmac("sha256", secret).update(text).digest(encoding);
const joinHeader =
  (header: string, separator: string): NonNullable<SignedSample["combine"]> =>
  (one, other) => ({ ...one, [header]: `${one[header]}${separator}${other[header]}` });

const WHSEC = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] as const;

export const STANDARD = sampleOf(
  { scheme: "standard" },
  {
    secrets: WHSEC,
    sign: async (body, secret, seconds) => ({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": String(seconds),
      "webhook-signature": new Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", new Date(seconds * 1_000), body),
    }),
    signsTime: true,
    signsBody: true,
    combine: joinHeader("webhook-signature", " "),
  },
);

export const GITHUB = sampleOf(
  { scheme: "github" },
  {
    secrets: ["It's a Secret to Everybody", "another secret"],
    sign: async (body, secret) => ({ "x-hub-signature-256": await githubSign(secret, body) }),
    signsTime: false,
    signsBody: true,
  },
);

export const STRIPE = sampleOf(
  { scheme: "stripe" },
  {
    secrets: ["whsec_test_secret", "whsec_another_secret"],
    sign: async (payload, secret, timestamp) => ({
      // The synchronous version of this function does not run in workerd.
      "stripe-signature": await Stripe.webhooks.generateTestHeaderStringAsync({ payload, secret, timestamp }),
    }),
    signsTime: true,
    signsBody: true,
    combine: (one, other) => ({
      "stripe-signature": `${one["stripe-signature"]},${other["stripe-signature"]?.replace(/^t=\d+,/, "")}`,
    }),
  },
);

export const SLACK = sampleOf(
  { scheme: "slack" },
  {
    secrets: ["8f742231b10e8888abcd99yyyzzz85a5", "0123456789abcdef0123456789abcdef"],
    sign: async (body, secret, seconds) => ({
      "x-slack-request-timestamp": String(seconds),
      "x-slack-signature": `v0=${digest("hex", secret, `v0:${seconds}:${body}`)}`,
    }),
    signsTime: true,
    signsBody: true,
  },
);

export const TELEGRAM = sampleOf(
  { scheme: "telegram" },
  {
    secrets: ["Ux3-kq_8PvLw", "b9Zt-2mRc_Yy"],
    sign: async (_body, secret) => ({ "x-telegram-bot-api-secret-token": secret }),
    signsTime: false,
    signsBody: false,
  },
);

export const SHOPIFY = sampleOf(
  { scheme: "hmac", header: "X-Shopify-Hmac-Sha256", encoding: "base64", id_header: "X-Shopify-Webhook-Id" },
  {
    name: "hmac, as Shopify signs",
    secrets: ["hush", "hush again"],
    sign: async (body, secret) => ({ "x-shopify-hmac-sha256": digest("base64", secret, body) }),
    signsTime: false,
    signsBody: true,
  },
);

const HMAC_WITH_TIME = sampleOf(
  { scheme: "hmac", header: "x-signature", template: "v1|{timestamp}|{body}|", timestamp_header: "x-sent-at" },
  {
    name: "hmac with a time",
    secrets: ["one", "two"],
    sign: async (body, secret, seconds) => ({
      "x-sent-at": String(seconds),
      "x-signature": digest("hex", secret, `v1|${seconds}|${body}|`),
    }),
    signsTime: true,
    signsBody: true,
  },
);

/** Does not compile if a sender is missing. */
const BY_SENDER: Record<SenderName, readonly SignedSample[]> = {
  standard: [STANDARD],
  github: [GITHUB],
  stripe: [STRIPE],
  slack: [SLACK],
  telegram: [TELEGRAM],
  hmac: [SHOPIFY, HMAC_WITH_TIME],
};
export const SAMPLES: readonly SignedSample[] = Object.values(BY_SENDER).flat();

export function webhookRequest(
  body: string | Uint8Array,
  headers: Record<string, string> | Headers,
  secrets: readonly string[],
  now = NOW_S * 1_000,
): WebhookRequest {
  const raw = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return { raw, headers: new Headers(headers), url: "https://ask.example.com/hooks/h", now, secrets };
}
