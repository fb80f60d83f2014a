// npm run send-hook signs requests that the Worker accepts. If it can't, it names the missing hook or secret.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { argumentsOf, findHook, signedHeaders, targetOf } from "../../scripts/send-hook.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { senderOf, SENDERS } from "../../src/hooks/senders.ts";
import { webhookRequest } from "../support/webhook-samples.ts";

const NOW_MS = 1_795_380_588_999;
const ID = "5f0e2a3c-94f1-4c6e-8f43-0b6c7d8e9fa0";
const preset = "support";
const { hooks } = defineConfig({
  presets: { support: { model: "gpt-6-sol" } },
  hooks: {
    openai: { scheme: "standard", secret_name: "OPENAI_SECRET", preset },
    triage: { scheme: "github", secret_name: "GITHUB_SECRET", preset },
    disputes: { scheme: "stripe", secret_name: "STRIPE_SECRET", preset },
    slack: { scheme: "slack", secret_name: "SLACK_SECRET", preset },
    telegram: { scheme: "telegram", secret_name: "TELEGRAM_SECRET", preset },
    shopify: {
      scheme: "hmac",
      secret_name: "SHOPIFY_SECRET",
      preset,
      header: "X-Shopify-Hmac-Sha256",
      encoding: "base64",
      id_header: "X-Shopify-Webhook-Id",
    },
    dated: {
      scheme: "hmac",
      secret_name: "DATED_SECRET",
      preset,
      header: "x-signature",
      template: "v1:{timestamp}:{body}",
      timestamp_header: "x-timestamp",
    },
  },
});
const SECRETS = {
  OPENAI_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
  GITHUB_SECRET: "It's a Secret to Everybody",
  STRIPE_SECRET: "whsec_test_secret",
  SLACK_SECRET: "8f742231b10e8888abcd99yyyzzz85a5",
  TELEGRAM_SECRET: "Ux3-kq_8PvLw",
  SHOPIFY_SECRET: " hush , old",
  DATED_SECRET: "one",
};
const sample = (file: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../fixtures/hooks/${file}`, import.meta.url)));
const headersOf = (name: string, raw: Uint8Array, event?: string): Record<string, string> => {
  const { hook, secret } = findHook(name, hooks, SECRETS);
  return signedHeaders(hook, { raw, secret, nowMs: NOW_MS, id: ID, event });
};

/** A hook and a sample in test/fixtures/hooks; each sender has one. */
const EVENTS = [
  ["openai", "standard-response-completed.json"],
  ["triage", "github-issue-opened.json"],
  ["disputes", "stripe-dispute-created.json"],
  ["slack", "slack-message.json"],
  ["slack", "slack-command.txt"],
  ["telegram", "telegram-message.json"],
  ["shopify", "shopify-order-created.json"],
  ["dated", "shopify-order-created.json"],
] as const;

describe("a sample event", () => {
  test("exists for every sender", () => {
    const schemes = new Set<string>(EVENTS.map(([name]) => findHook(name, hooks, SECRETS).hook.scheme));
    expect(Object.keys(SENDERS).filter((scheme) => !schemes.has(scheme))).toEqual([]);
  });

  test.each(EVENTS)("for the hook %s is verified and parsed by the Worker: %s", async (name, file) => {
    const raw = sample(file);
    const { hook, secret } = findHook(name, hooks, SECRETS);
    const sent = webhookRequest(raw, headersOf(name, raw), [secret], NOW_MS);
    const sender = senderOf(hook);
    expect(await sender.verify(sent, hook)).toEqual({ secret: 0 });
    const payload: unknown = sender.parse(raw, sent.headers);
    expect(payload).toBeTypeOf("object");
    expect(sender.isBot(payload)).toBe(false);
    expect(sender.handshake?.(payload, sent.headers) ?? null).toBeNull();
  });

  test("is signed byte for byte as it is in the file", async () => {
    const raw = Uint8Array.of(0x7b, 0xff, 0x00, 0x7d, 0x0a);
    for (const name of ["openai", "disputes", "slack", "shopify", "dated"]) {
      const { hook, secret } = findHook(name, hooks, SECRETS);
      expect(await senderOf(hook).verify(webhookRequest(raw, headersOf(name, raw), [secret], NOW_MS), hook)).toEqual({
        secret: 0,
      });
    }
  });

  test("has GitHub's headers, with the event from the payload or from --event", () => {
    const event = (payload: object, given?: string) =>
      headersOf("triage", new TextEncoder().encode(JSON.stringify(payload)), given)["x-github-event"];
    expect(headersOf("triage", sample("github-issue-opened.json"))).toMatchObject({
      "content-type": "application/json",
      "x-github-event": "issues",
      "x-github-delivery": ID,
    });
    expect(event({ issue: {}, comment: {} })).toBe("issue_comment");
    expect(event({ pull_request: {} })).toBe("pull_request");
    expect(event({ zen: "" })).toBe("ping");
    expect(event({ odd: 1 }, "star")).toBe("star");
    expect(() => event({ odd: 1 })).toThrow("--event");
  });

  test("is sent as a form if it does not begin like JSON", () => {
    expect(headersOf("slack", sample("slack-command.txt"))["content-type"]).toBe("application/x-www-form-urlencoded");
  });
});

describe("an error of send-hook names", () => {
  test("a hook that the config does not have", () => {
    expect(() => findHook("nope", hooks, SECRETS)).toThrow(
      'There is no hook "nope" in src/config.ts. It has: openai, triage',
    );
    expect(() => findHook("constructor", {}, SECRETS)).toThrow("It has no hooks yet");
  });

  test("a secret that is missing, empty or of another form, without its value", () => {
    expect(() => findHook("triage", hooks, {})).toThrow("GITHUB_SECRET is not in .dev.vars");
    expect(() => findHook("openai", hooks, { OPENAI_SECRET: " " })).toThrow("it must be whsec_ and base64");
    expect(() => findHook("openai", hooks, { OPENAI_SECRET: "hunter2" })).toThrow(
      /^\.dev\.vars: This Worker's setting OPENAI_SECRET must be whsec_ and base64, as the sender shows it\.$/,
    );
  });
});

describe("the target of send-hook", () => {
  test("comes from --url after a --; any mistake, such as an option whose name npm consumed, prints the usage", () => {
    expect(argumentsOf(["triage", "x.json", "--url", "http://localhost:1"])).toEqual({
      name: "triage",
      file: "x.json",
      url: "http://localhost:1",
    });
    for (const args of [
      [],
      ["triage"],
      ["triage", "x.json", "http://localhost:1"],
      ["triage", "x.json", "--port", "1"],
    ]) {
      expect(() => argumentsOf(args)).toThrow("npm run send-hook NAME FILE [-- --url");
    }
  });

  test("is this machine unless --url names another", () => {
    expect(targetOf("triage", undefined)).toBe("http://localhost:8787/hooks/triage");
    expect(targetOf("triage", undefined, "9000")).toBe("http://localhost:9000/hooks/triage");
    expect(targetOf("triage", "http://127.0.0.1:8788/")).toBe("http://127.0.0.1:8788/hooks/triage");
    expect(targetOf("triage", "https://ask.example.com")).toBe("https://ask.example.com/hooks/triage");
  });

  test.each(["http://ask.example.com", "http://localhost.example.com:8787", "ftp://localhost", "localhost:8787", ""])(
    "is never %j",
    (url) => {
      expect(() => targetOf("triage", url)).toThrow("--url must");
    },
  );
});
