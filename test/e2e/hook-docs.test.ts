// Every config that docs/webhooks.md and docs/senders print, run as it is printed: for an event that is signed as the provider signs, the
// Worker sends the request that the receiving API documents. Only the origins of callbacks are replaced, because they can't be reached.
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { senderOf, SENDERS } from "../../src/hooks/senders.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { type ReceivedCallback, type Receiver, startReceiver } from "../support/receiver.ts";
import {
  GITHUB,
  type SignedSample,
  SHOPIFY,
  SLACK,
  STANDARD,
  STRIPE,
  TELEGRAM,
  webhookRequest,
} from "../support/webhook-samples.ts";
import { senderExample } from "../support/sender-example.ts";
import { bundleOf } from "./bundle.ts";
import { type HttpResponse, json, startWorker, until, UPSTREAM_KEY, type Worker } from "./worker.ts";

const sectionsOf = (text: string): [heading: string, code: string][] =>
  text.split(/^## /m).flatMap((section) => {
    const [, code] = /^```ts\n((?:hooks|import)[\s\S]*?)^```$/m.exec(section) ?? [];
    return code === undefined ? [] : [[section.slice(0, section.indexOf("\n")), code]];
  });
/** The whole file of docs/webhooks.md. */
const FIRST_TRY = sectionsOf(readFileSync("docs/webhooks.md", "utf8"))[0]?.[1] ?? "";
/** The entries for src/config.ts by page and heading. */
const ENTRIES = new Map(
  Object.keys(SENDERS).flatMap((scheme) =>
    sectionsOf(readFileSync(`docs/senders/${scheme}.md`, "utf8")).map(
      ([heading, code]) => [`${scheme}.md, ${heading}`, code] as [string, string],
    ),
  ),
);
const HMAC_PAGE = readFileSync("docs/senders/hmac.md", "utf8");
const SUPPORT = {
  instructions: "You answer for Example Ltd. Be brief. Say so if you don't know.",
  max_output_tokens: 500,
};

/** Long enough for the search for secrets in `worker.stop`, if the provider's form permits it. */
const SECRETS = {
  GITHUB_WEBHOOK_SECRET: GITHUB.secrets[0],
  SLACK_SIGNING_SECRET: SLACK.secrets[0],
  STRIPE_WEBHOOK_SECRET: STRIPE.secrets[0],
  TELEGRAM_SECRET: TELEGRAM.secrets[0],
  OPENAI_WEBHOOK_SECRET: STANDARD.secrets[0],
  SHOPIFY_SECRET: SHOPIFY.secrets[0],
  GITHUB_TOKEN: "github_pat_7d20c1e94ab3",
  SLACK_BOT_TOKEN: "xoxb-5e81f0a37c29",
  SHOP_API_KEY: "shop-3b96d7e0f412",
  CRM_SECRET: "whsec_dGhlIHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyEh",
};

let emulator: Emulator;
let receiver: Receiver;
let worker: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  receiver = await startReceiver((response) => response.writeHead(200).end());
  worker = await startWorker(emulator.url, SECRETS, bundleOf(configOf(new URL(receiver.url).origin)));
});
afterAll(async () => {
  await worker.stop();
  await receiver.stop();
  await emulator.close();
});

/** All entries in the printed file; the origin of each url is replaced by the receiver's. */
function configOf(origin: string): string {
  const entries = [...ENTRIES.values()].map((entry) =>
    `{\n${entry}},\n`.replaceAll(/(url: ")https:\/\/[^/"]+/g, `$1${origin}`),
  );
  const [head = "", ...fields] = FIRST_TRY.split(/^(?= {2}\w+: )/m);
  const others = fields.filter((field) => !/^ {2}(?:hooks|callbacks):/.test(field));
  return `${head.replace('"./core', '"../../src/core').replace("{ defineConfig }", "{ type ConfigInput, defineConfig }")}
${others.join("")}
  hooks: Object.assign({}, ...entries().map(({ hooks }) => hooks)),
  callbacks: Object.assign({}, ...entries().map(({ callbacks }) => callbacks)),
});

function entries(): Partial<ConfigInput>[] {
  return [${entries.join("")}];
}
`;
}

const eventOf = (file: string): string => readFileSync(`test/fixtures/hooks/${file}`, "utf8");

interface Row {
  sample: SignedSample;
  /** Name of the hook. */
  name: string;
  file: string;
  /** The printed url of the callback. */
  url: string | null;
  /** The beginning of the input of the upstream call. */
  question: string;
  /** The request to the callback, with the answer's text in it; null if the answer is only in the response. */
  request: { method?: string; path: string; headers?: Record<string, string>; body: (text: string) => object } | null;
  /** The body of the acknowledgement; default: that of an accepted event. */
  acknowledgement?: RegExp;
}

const ROWS: Record<string, Row> = {
  "github.md, Configure": {
    sample: GITHUB,
    name: "triage",
    file: "github-issue-opened.json",
    url: "https://api.github.com",
    question: "The cart forgets its items\n\nI put two shirts into the cart",
    request: {
      path: "/repos/octo-org/shop/issues/42/comments",
      headers: { authorization: `Bearer ${SECRETS.GITHUB_TOKEN}` },
      body: (text) => ({ body: text }),
    },
  },
  "slack.md, An answer to a mention": {
    sample: SLACK,
    name: "mention",
    file: "slack-message.json",
    url: "https://slack.com/api/chat.postMessage",
    question: "when does the returns desk open on Saturdays?",
    request: {
      path: "/api/chat.postMessage",
      headers: { authorization: `Bearer ${SECRETS.SLACK_BOT_TOKEN}` },
      body: (text) => ({ channel: "C123ABC456", thread_ts: "1795376400.000200", text }),
    },
  },
  "slack.md, A slash command": {
    sample: SLACK,
    name: "command",
    file: "slack-command.txt",
    url: "https://hooks.slack.com",
    question: "when do you open?",
    request: { path: "/commands/1234/5678", body: (text) => ({ response_type: "in_channel", text }) },
    acknowledgement: /^$/,
  },
  "stripe.md, Configure": {
    sample: STRIPE,
    name: "disputes",
    file: "stripe-dispute-created.json",
    url: "https://slack.com/api/chat.postMessage",
    question: 'Say in two sentences what our team must do about this dispute: {"id":"du_1SVuZ1LkdIwHu7ixV0iOJhBq"',
    request: {
      path: "/api/chat.postMessage",
      headers: { authorization: `Bearer ${SECRETS.SLACK_BOT_TOKEN}` },
      body: (text) => ({ channel: "#disputes", text: `du_1SVuZ1LkdIwHu7ixV0iOJhBq: ${text}` }),
    },
  },
  "telegram.md, Configure": {
    sample: TELEGRAM,
    name: "telegram",
    file: "telegram-message.json",
    url: null,
    question: "Is the blue one back in stock?",
    request: null,
  },
  "standard.md, Configure": {
    sample: STANDARD,
    name: "openai",
    file: "standard-response-completed.json",
    url: "https://crm.example.com/in",
    question: 'Explain this event to whoever is on duty, in one sentence: {"object":"event"',
    request: {
      path: "/in",
      headers: { "webhook-id": expect.stringMatching(/^job_/) as string },
      body: (text) => ({
        type: "response.completed",
        timestamp: expect.any(String) as string,
        data: {
          job: expect.stringMatching(/^job_/) as string,
          hook: "openai",
          answer: expect.objectContaining({ text, status: "completed" }) as object,
          metadata: {},
        },
      }),
    },
  },
  "hmac.md, Configure": {
    sample: SHOPIFY,
    name: "orders",
    file: "shopify-order-created.json",
    url: "https://shop.example.com",
    question: "What does the customer want us to do? Please wrap it: it is a present.",
    request: {
      method: "PUT",
      path: "/orders/820982911946154508/note",
      headers: { "x-api-key": SECRETS.SHOP_API_KEY },
      body: (text) => ({ note: text }),
    },
  },
};

test("every config in docs/senders has a row here, and every sender has a config", () => {
  expect([...ENTRIES.keys()].toSorted()).toEqual(Object.keys(ROWS).toSorted());
  const pages = new Set([...ENTRIES.keys()].map((key) => key.split(".md")[0]));
  expect(Object.keys(SENDERS).filter((scheme) => !pages.has(scheme))).toEqual([]);
});

test("every printed config, and the example of Sender, compiles", () => {
  const dir = mkdtempSync(join("node_modules", ".typed-"));
  const files = {
    "first.ts": FIRST_TRY,
    "entries.ts": configOf("https://receiver.example"),
    "sender.ts": senderExample("../../src"),
  };
  for (const [name, code] of Object.entries(files))
    writeFileSync(join(dir, name), code.replace('"./core', '"../../src/core'));
  writeFileSync(
    join(dir, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", files: Object.keys(files), include: [] }),
  );
  try {
    expect(spawnSync("tsc", ["-p", dir], { encoding: "utf8" }).stdout).toBe("");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

describe.each(Object.entries(ROWS))(
  "%s",
  (heading, { sample, name, file, url, question, request, acknowledgement = /"accepted"/ }) => {
    const urls = [...(ENTRIES.get(heading) ?? "").matchAll(/url: "([^"]+)"/g)].map(([, printed]) => printed);

    test("the printed URL belongs to the receiving API", () => {
      expect(urls).toEqual(url === null ? [] : [url]);
    });

    test("an event of the provider causes the documented request", async () => {
      const body = eventOf(file);
      const type = file.endsWith(".txt") ? "application/x-www-form-urlencoded" : "application/json";
      const signed = await sample.sign(body, sample.secrets[0], Math.floor(Date.now() / 1_000));
      const response = await worker.send(`/hooks/${name}`, {
        method: "POST",
        body,
        headers: { "content-type": type, ...signed },
      });
      const call = await until(
        () => emulator.received.find(({ raw }) => raw.includes(JSON.stringify(question).slice(1, -1))) ?? expect.fail(),
      );
      const { input, instructions, max_output_tokens } = call.body as Record<string, unknown>;
      expect({ instructions, max_output_tokens }).toEqual(SUPPORT);
      // The emulator's answer to it.
      const text = `You said: "${String(input)}". (instructions: ${SUPPORT.instructions.length} characters)`;
      if (request === null) return assertReply(response, text);
      expect(response.text).toMatch(acknowledgement);
      const callback = await until(
        () =>
          receiver.received.find(({ body: sent }) => sent.includes(JSON.stringify(text).slice(1, -1))) ?? expect.fail(),
      );
      expect([callback.method, callback.path]).toEqual([request.method ?? "POST", request.path]);
      expect(callback.headers).toMatchObject({ "content-type": "application/json", ...request.headers });
      expect("authorization" in callback.headers).toBe("authorization" in (request.headers ?? {}));
      expect(JSON.parse(callback.body)).toEqual(request.body(text));
      if (name === "openai") assertSigned(callback);
    });
  },
);

/** A call of the Bot API, as its section "Making requests when getting updates" describes. */
function assertReply(got: HttpResponse, text: string): void {
  expect(got.status).toBe(200);
  expect(json(got)).toEqual({
    method: "sendMessage",
    chat_id: 1_111_111,
    text,
    reply_parameters: { message_id: 1_365 },
  });
}

function assertSigned({ body, headers }: ReceivedCallback): void {
  expect(new Webhook(SECRETS.CRM_SECRET).verify(body, headers as Record<string, string>)).toEqual(JSON.parse(body));
}

test.each(
  [
    ...HMAC_PAGE.matchAll(
      /^\| ([^|]+) \| `([\w-]+)` \| `(hex|base64)` \| `([^`]+)`(?:, `timestamp_header: "([\w-]+)"`)? \|$/gm,
    ),
  ].map(([, ...cells]) => cells),
)(
  "a signature of %s is verified with the printed settings",
  async (_sender, header = "", encoding = "hex", template = "", timeHeader) => {
    const settings = {
      header,
      encoding: encoding as "hex" | "base64",
      template,
      ...(timeHeader && { timestamp_header: timeHeader }),
    };
    const { hooks } = defineConfig({
      presets: { support: { model: "gpt-6-luna" } },
      hooks: { h: { scheme: "hmac", secret_name: "HOOK_SECRET", preset: "support", ...settings } },
    });
    const hook = hooks["h"] ?? expect.unreachable();
    const [body, time] = ['{"a":1}', "1795380588"];
    const mac = createHmac("sha256", "secret").update(template.replace("{body}", body).replace("{timestamp}", time));
    const headers = { [header]: mac.digest(settings.encoding), ...(timeHeader && { [timeHeader]: time }) };
    const request = webhookRequest(body, headers, ["secret"], Number(time) * 1_000);
    expect(await senderOf(hook).verify(request, hook)).toEqual({ secret: 0 });
  },
);
