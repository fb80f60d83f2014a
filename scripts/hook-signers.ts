// Signs sample events as each sender does, for `npm run send-hook`. The signatures are made with Node's crypto, independently of the code with
// which the Worker verifies them.
import { createHmac } from "node:crypto";
import type { Hook, SenderName } from "../src/core/config/config-schema.ts";
import { objectOf, parseJson } from "../src/core/lib/json.ts";
import { CommandError } from "./command-error.ts";

export interface SampleEvent {
  raw: Uint8Array;
  secret: string;
  /** Milliseconds since 1970. */
  nowMs: number;
  /** A UUID. The event's id is derived from it, in the sender's format. */
  id: string;
  /** GitHub's name of the event. If undefined, the name is derived from the payload. */
  event?: string | undefined;
}

interface Signer<HookSettings extends Hook = Hook> {
  /** Returns the headers that the sender would send, except for the content type. @throws CommandError */
  headers(event: SampleEvent, hook: HookSettings): Record<string, string>;
}

/** The signer of each sender. This table does not compile if a sender is missing. */
export const SIGNERS: Record<SenderName, Signer> = {
  standard: {
    headers({ raw, secret, nowMs, id }) {
      const name = `msg_${id.replaceAll("-", "")}`;
      const time = secondsOf(nowMs);
      const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
      return {
        "webhook-id": name,
        "webhook-timestamp": time,
        "webhook-signature": `v1,${sign(key, "base64", `${name}.${time}.`, raw)}`,
      };
    },
  },
  github: {
    headers: ({ raw, secret, id, event }) => ({
      "user-agent": "GitHub-Hookshot/0000000",
      "x-github-event": event ?? githubEventOf(raw),
      "x-github-delivery": id,
      "x-hub-signature-256": `sha256=${sign(secret, "hex", raw)}`,
    }),
  },
  stripe: {
    headers({ raw, secret, nowMs }) {
      const time = secondsOf(nowMs);
      return {
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "stripe-signature": `t=${time},v1=${sign(secret, "hex", `${time}.`, raw)}`,
      };
    },
  },
  slack: {
    headers({ raw, secret, nowMs }) {
      const time = secondsOf(nowMs);
      return {
        "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "x-slack-request-timestamp": time,
        "x-slack-signature": `v0=${sign(secret, "hex", `v0:${time}:`, raw)}`,
      };
    },
  },
  telegram: { headers: ({ secret }) => ({ "x-telegram-bot-api-secret-token": secret }) },
  hmac: {
    headers({ raw, secret, nowMs, id }, { header, encoding, template, timestamp_header, id_header }) {
      const time = secondsOf(nowMs);
      const signed = template
        .split(/(\{body\}|\{timestamp\})/)
        .map((part) => (part === "{body}" ? raw : part === "{timestamp}" ? time : part));
      return {
        ...(timestamp_header === undefined ? {} : { [timestamp_header]: time }),
        ...(id_header === undefined ? {} : { [id_header]: id }),
        [header]: sign(secret, encoding, ...signed),
      };
    },
  } satisfies Signer<Extract<Hook, { scheme: "hmac" }>>,
};

const secondsOf = (ms: number): string => String(Math.floor(ms / 1_000));

function sign(key: string | Uint8Array, encoding: "hex" | "base64", ...parts: (string | Uint8Array)[]): string {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest(encoding);
}

/** GitHub's events, with the fields that their payloads have. The first row whose fields are all present applies. */
const GITHUB_EVENTS: readonly (readonly [event: string, ...fields: string[]])[] = [
  ["ping", "zen"],
  ["issue_comment", "issue", "comment"],
  ["discussion_comment", "discussion", "comment"],
  ["pull_request_review", "pull_request", "review"],
  ["pull_request_review_comment", "pull_request", "comment"],
  ["pull_request", "pull_request"],
  ["issues", "issue"],
  ["discussion", "discussion"],
  ["release", "release"],
  ["workflow_run", "workflow_run"],
  ["push", "commits"],
];

function githubEventOf(raw: Uint8Array): string {
  const payload = objectOf(parseJson(new TextDecoder().decode(raw)));
  const row = GITHUB_EVENTS.find(([, ...fields]) => fields.every((field) => Object.hasOwn(payload, field)));
  if (row === undefined)
    throw new CommandError("The payload does not show which GitHub event it is. Name it: -- --event NAME");
  return row[0];
}
