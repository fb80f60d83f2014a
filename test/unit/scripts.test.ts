// The pure parts of npm run setup, deploy and probe. Nothing here needs an account at Cloudflare or UniAPI.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { curlLine, deployedUrl, usesDeployedSecrets, takeSecretsFile, secretsRefusal } from "../../scripts/deploy.ts";
import {
  describeId,
  judgeEcho,
  judgeFollowUp,
  judgeHeartbeat,
  optionsOf as probeOptionsOf,
  type Reply,
  outputTextOf,
  shapeOf,
} from "../../scripts/probe.ts";
import {
  keyMistake,
  makeIdKey,
  makeServerKey,
  makeSessionKey,
  parseSecrets,
  readText,
  secretMistakes,
  mergeSecrets,
  writePrivate,
} from "../../scripts/secrets-file.ts";
import { optionsOf, planSetup } from "../../scripts/setup.ts";
import { sessionKeysOf } from "../../src/core/config/vars.ts";

const KEY = "sk-0123456789abcdef";
const good = () => ({ UNIAPI_KEY: KEY, SERVER_KEYS: makeServerKey(), ID_KEYS: makeIdKey() });

test("probe prints its usage for an unknown option", () => {
  for (const args of [["--help"], ["--models"], ["live"]])
    expect(() => probeOptionsOf(args)).toThrow(/^Usage: npm run probe /);
  expect(probeOptionsOf(["--emulator", "--models", "a,b"])).toEqual({
    yes: false,
    emulator: true,
    models: "a,b",
    "follow-ups": "5",
  });
});

test("setup prints its usage for an unknown option", () => {
  for (const args of [["--help"], ["sk-a-key-as-an-argument"]])
    expect(() => optionsOf(args)).toThrow(/^Usage: npm run setup \[-- --replace-key --model NAME\]$/);
  expect(optionsOf(["--replace-key"])).toEqual({ "replace-key": true });
  expect(optionsOf(["--model", "m"])).toEqual({ "replace-key": false, model: "m" });
});

describe("secrets and their files", () => {
  test("generated keys have the form that the Worker accepts, and differ each time", () => {
    expect(makeServerKey()).toMatch(/^sk_[A-Za-z0-9_-]{40}$/);
    expect(Buffer.from(makeIdKey(), "base64")).toHaveLength(32);
    const [session] = sessionKeysOf(makeSessionKey());
    expect([session?.kid, session?.secret.length]).toEqual([expect.stringMatching(/^k\d{4}-\d\d-\d\d$/), 43]);
    expect(makeServerKey()).not.toBe(makeServerKey());
    expect(secretMistakes(good())).toEqual([]);
  });

  test("rotated and named keys are accepted", () => {
    const secrets = {
      ...good(),
      SERVER_KEYS: `shop:${makeServerKey()}, ${makeServerKey()}`,
      ID_KEYS: `${makeIdKey()},${makeIdKey()}`,
    };
    expect(secretMistakes(secrets)).toEqual([]);
  });

  test("every mistake is reported, and no message shows a value", () => {
    const mistakes = secretMistakes({ UNIAPI_KEY: "sk secret", SERVER_KEYS: "secret", ID_KEYS: "c2VjcmV0" });
    expect(mistakes.map((mistake) => mistake.split(" ")[0])).toEqual(["UNIAPI_KEY", "SERVER_KEYS", "ID_KEYS"]);
    expect(mistakes.join(" ")).not.toMatch(/secret\b|c2Vj/);
    expect(secretMistakes({})).toHaveLength(3);
    expect(secretMistakes({ ...good(), SESSION_KEYS: `a:${KEY},secret` })).toEqual([
      "SESSION_KEYS must be kid:secret, separated by commas",
    ]);
  });

  test.each(["", "short", "sk-with space", 'sk-"quoted"', "sk-$HOME-0123", "sk-#comment0"])(
    "%j is not a UniAPI key",
    (key) => {
      expect(keyMistake(key)).not.toBeNull();
    },
  );

  test("in a dotenv file, comments, order and other values do not change", () => {
    const text = "# mine\nUNIAPI_BASE_URL=https://hk.uniapi.io\nexport UNIAPI_KEY=old\nOTHER=1";
    const changed = mergeSecrets(text, { UNIAPI_KEY: KEY, ID_KEYS: "a$&b" });
    expect(changed).toBe(`# mine\nUNIAPI_BASE_URL=https://hk.uniapi.io\nUNIAPI_KEY=${KEY}\nOTHER=1\nID_KEYS=a$&b\n`);
  });

  test("JSON remains JSON, and both forms parse to the same", () => {
    const json = mergeSecrets('{"A":"1"}', { B: "2" });
    expect(parseSecrets(json)).toEqual({ A: "1", B: "2" });
    expect(parseSecrets("A=1\nB=2")).toEqual(parseSecrets(json));
    expect(() => parseSecrets('{"A":1}')).toThrow("A must be a string");
  });

  test("a file is replaced completely, is readable by its owner alone, and leaves no temporary files", () => {
    const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-test-"));
    try {
      const file = join(dir, ".dev.vars");
      expect(readText(file)).toBeUndefined();
      writePrivate(file, "A=1\n");
      writePrivate(file, "A=2\n");
      expect(readFileSync(file, "utf8")).toBe("A=2\n");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readdirSync(dir)).toEqual([".dev.vars"]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("npm run setup", () => {
  test("the first run generates everything, with different id keys for this machine and production", () => {
    const plan = planSetup({}, {}, KEY);
    expect(Object.keys(plan.dev)).toEqual(["UNIAPI_KEY", "ID_KEYS", "SESSION_KEYS"]);
    expect(secretMistakes(plan.production)).toEqual([]);
    expect(plan.production["SERVER_KEYS"]).toBe(plan.newServerKey);
    for (const name of ["ID_KEYS", "SESSION_KEYS"]) expect(plan.dev[name]).not.toBe(plan.production[name]);
  });

  test("a second run changes nothing", () => {
    const { dev, production } = planSetup({}, {}, KEY);
    for (const key of [undefined, KEY]) {
      expect(planSetup(dev, production, key)).toEqual({ dev: {}, production: {}, newServerKey: undefined });
    }
  });

  test("a new UniAPI key changes that entry alone", () => {
    const { dev, production } = planSetup({}, {}, KEY);
    const plan = planSetup(dev, production, "sk-another-0123456789");
    expect([plan.dev, plan.production]).toEqual([
      { UNIAPI_KEY: "sk-another-0123456789" },
      { UNIAPI_KEY: "sk-another-0123456789" },
    ]);
  });

  test("a key in one file is enough for the other, and an empty entry counts as missing", () => {
    const plan = planSetup({ UNIAPI_KEY: KEY, ID_KEYS: " " }, { SERVER_KEYS: "sk_mine_0123456789" }, undefined);
    expect(Object.keys(plan.dev)).toEqual(["ID_KEYS", "SESSION_KEYS"]);
    expect(plan.production["UNIAPI_KEY"]).toBe(KEY);
    expect(plan.production["SERVER_KEYS"]).toBeUndefined();
  });
});

describe("npm run deploy", () => {
  test("names the missing secrets and the command that creates them", () => {
    expect(secretsRefusal(".production.vars", undefined)).toContain("npm run setup");
    expect(secretsRefusal(".production.vars", '{"UNIAPI_KEY":"sk-0123456789"}')).toContain("SERVER_KEYS is empty");
    expect(secretsRefusal(".production.vars", '{"UNIAPI_KEY":')).toContain("can't be read");
    expect(secretsRefusal(".production.vars", JSON.stringify(good()))).toBeNull();
  });

  test("in Workers Builds only, the existing secrets remain, unless there is a file of secrets or one is named", () => {
    const build = { WORKERS_CI: "1" };
    expect(usesDeployedSecrets(".production.vars", undefined, build)).toBe(true);
    expect(usesDeployedSecrets(".production.vars", JSON.stringify(good()), build)).toBe(false);
    expect(usesDeployedSecrets("another.vars", undefined, build)).toBe(false);
    expect(usesDeployedSecrets(".production.vars", undefined, { CI: "true" })).toBe(false);
  });

  test("takes another file of secrets from the arguments and passes the others to wrangler", () => {
    expect(takeSecretsFile(["--dry-run", "--secrets-file", "x", "--env", "b"])).toEqual({
      file: "x",
      rest: ["--dry-run", "--env", "b"],
    });
    expect(takeSecretsFile(["--secrets-file=y"])).toEqual({ file: "y", rest: [] });
    expect(takeSecretsFile([]).file).toBe(".production.vars");
  });

  test("finds the address in wrangler's output", () => {
    const output = (targets: unknown) =>
      `{"type":"wrangler-session","version":1}\n${JSON.stringify({ type: "deploy", targets })}\n`;
    expect(deployedUrl(output(["https://uniapi-edge.me.workers.dev"]))).toBe("https://uniapi-edge.me.workers.dev");
    expect(deployedUrl(output(["example.com/* (zone name: example.com)", "ask.example.com (custom domain)"]))).toBe(
      "https://ask.example.com",
    );
    expect(deployedUrl(output([]))).toBeUndefined();
    expect(deployedUrl("")).toBeUndefined();
  });

  test("the curl line contains the variable of the key, never a key", () => {
    expect(curlLine("https://a.example.com/")).toBe(
      `curl https://a.example.com/ask -H "Authorization: Bearer $SERVER_KEY" -d 'hi'`,
    );
  });
});

describe("npm run probe", () => {
  const reply = (body: unknown, status = 200): Reply => ({
    status,
    type: "application/json",
    text: JSON.stringify(body),
    firstMs: 1,
    totalMs: 2,
  });
  const says = (text: string) => [{ type: "message", content: [{ type: "output_text", text }] }];

  test("distinguishes a follow-up that knew the word from one that lost its context without an error", () => {
    const knew = reply({ previous_response_id: "resp_1", output: says("Marmalade.") });
    expect(judgeFollowUp(knew, "resp_1")).toEqual({ remembered: true, verdict: "echoed; knew the word" });
    const lost = reply({ previous_response_id: null, output: says("Which word do you mean?") });
    expect(judgeFollowUp(lost, "resp_1")).toEqual({
      remembered: false,
      verdict: "echoed as null; DID NOT know the word",
    });
    const short = reply({ status: "incomplete", output: [] });
    expect(judgeFollowUp(short, "resp_1").verdict).toBe("no such field; ran out of tokens before it could tell");
    const refused = reply({ error: { code: "previous_response_not_found" } }, 400);
    expect(judgeFollowUp(refused, "resp_1")).toEqual({
      remembered: false,
      verdict: "refused, 400 previous_response_not_found",
    });
  });

  test("does not treat a missing field as dropped", () => {
    expect(judgeEcho({ user: "u", metadata: { a: "1" }, x: false }, { user: null, metadata: { a: "1" } })).toBe(
      "user: came back as null: overridden; metadata: echoed; x: not in the answer",
    );
  });

  test("recognizes blank lines before JSON, pings and comments", () => {
    expect(judgeHeartbeat('\n\n{"id":1}')).toBe("heartbeat: 2 blank lines before the body");
    expect(judgeHeartbeat("::PING\n\n: x\n\nevent: a\ndata: {}\n\n")).toBe("heartbeat: 1 × ::PING, 1 other comments");
    expect(judgeHeartbeat("event: a\ndata: {}\n\n")).toBe("no heartbeat seen");
  });

  test("shows the shape of a balance and the format of an id, not their values", () => {
    expect(shapeOf({ data: { balance: -1, list: [{ a: "x" }, 2], none: null } })).toEqual({
      data: { balance: "number", list: [{ a: "string" }], none: null },
    });
    expect(describeId("chatcmpl-abc")).toBe("begin chatcmpl-, 12 characters");
    expect(describeId("0f3a")).toBe("without a prefix, 4 characters");
    expect(outputTextOf({ output_text: "only this" })).toBe("only this");
  });
});
