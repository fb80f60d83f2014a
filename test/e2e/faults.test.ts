// The emulator's whole menu of faults over real HTTP, asked as JSON, as events and as bare text: what the caller meets, whether an SDK
// may try again, how often upstream was called. Runs at once, since many faults are about time; none may take long.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MULTI_BYTE_TEXT } from "../emulator/content-faults.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { endOf, errorOf, eventsOf, type Got, json, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

const BOUND_MS = 10_000;
const STATUS: Record<string, number> = {
  upstream_rate_limited: 429,
  upstream_error: 502,
  upstream_invalid_response: 502,
  upstream_unavailable: 503,
  upstream_timeout: 504,
};

interface Refused {
  status: number;
  code: string;
  param?: string;
  /** `x-should-retry: false`. */
  final: boolean;
  retryAfter?: string;
}
/** A stream that fails after its first events; `said` if some of its text had come. */
interface Fails {
  code: string;
  said: boolean;
}
interface Row {
  /** The answer as it differs from an ordinary one; `text` gets what an ordinary answer would say. */
  answer?: (text: string) => Record<string, unknown>;
  refused?: Refused;
  /** What is different in a stream. */
  stream?: { refused: Refused } | { fails: Fails };
  calls?: number;
  /** Asked for as JSON only: as a stream it would take as many milliseconds as a stream has bytes. */
  long?: true;
}

const TEXT: Row = { answer: (text) => ({ text }) };
const refused = (given: Refused, stream?: Row["stream"]): Row => ({ refused: given, ...(stream === undefined ? {} : { stream }) });
const fails = (code: string, said: boolean): { fails: Fails } => ({ fails: { code, said } });

const AUTH: Refused = { status: 502, code: "upstream_auth", final: true };
const QUOTA: Refused = { status: 502, code: "upstream_quota", final: true };
const FAILED: Refused = { status: 502, code: "upstream_error", final: true };
const NO_ANSWER: Refused = { status: 502, code: "upstream_invalid_response", final: true };
const TIMEOUT: Refused = { status: 504, code: "upstream_timeout", final: true };
const AWAY: Refused = { status: 503, code: "upstream_unavailable", final: false };
const busy = (retryAfter: string): Refused => ({ status: 429, code: "upstream_rate_limited", final: false, retryAfter });
const rejected = (code: string, param = ""): Refused => ({ status: 400, code, param, final: false });

/** By the name on the menu; a number after it is sent along. */
const ROWS: Record<string, Row> = {
  text: TEXT,
  refusal: { answer: () => ({ text: "", refusal: "I can't help with that." }) },
  incomplete: {
    answer: (text) => ({ text: text.slice(0, Math.ceil(text.length / 2)), status: "incomplete", incomplete_reason: "content_filter" }),
  },
  "reasoning-only": { answer: () => ({ text: "", status: "incomplete", incomplete_reason: "max_output_tokens" }) },
  failed: refused(FAILED, fails("upstream_error", false)),
  phases: TEXT,
  "two-messages": { answer: (text) => ({ text: `${text} And a second message.` }) },
  "unknown-items": TEXT,
  "long/300": { answer: () => ({ text: Array.from({ length: 300 }, (_, at) => `word${at + 1}`).join(" ") }) },
  "too-large/9000000": refused(NO_ANSWER, fails("upstream_invalid_response", false)),
  "chat-compat": TEXT,

  "400": refused(rejected("unsupported_parameter", "temperature")),
  "401": refused(AUTH),
  "401-exhausted": refused(AUTH),
  "401-quota": refused(AUTH),
  "401-vendor-key": refused(AUTH),
  "402": refused(QUOTA),
  "403": refused(QUOTA),
  "404-model": refused(rejected("model_not_found")),
  "413": refused(rejected("upstream_rejected")),
  "429": refused(busy("5")),
  "429-retry-after/1": { ...refused(busy("1")), calls: 2 },
  "429-retry-after/30": refused(busy("30")),
  "429-once": { ...TEXT, calls: 2 },
  "429-empty": refused(busy("5")),
  "429-quota": refused(QUOTA),
  "429-saturated": refused(busy("5")),
  "429-rate-limit": refused(busy("5")),
  "500": refused(FAILED),
  "502-html": refused(FAILED),
  "503": refused(AWAY),
  "503-once": { ...TEXT, calls: 2 },
  "503-times": refused(AWAY),
  "503-no-channel": refused(AWAY),
  "503-model-not-found": refused(AWAY),
  ...Object.fromEntries([520, 524, 527, 528, 529].map((status) => [String(status), refused(FAILED)])),
  ...Object.fromEntries([521, 522, 523, 525, 526, 530].map((status) => [String(status), refused(AWAY)])),
  status: refused(rejected("upstream_rejected")),
  "status/204": refused(NO_ANSWER),
  "status/409": refused(rejected("upstream_rejected")),
  redirect: refused({ ...NO_ANSWER, final: false }),

  "heartbeat/100": TEXT,
  "heartbeat-error": refused(busy("5")),
  "error-200": refused(busy("5")),
  "unknown-error-200": refused(FAILED),
  "not-json": refused(NO_ANSWER),

  "forgets-chain": TEXT,
  "forgets-chain-404": TEXT,
  "forgets-items": TEXT,
  "ignores-chain": TEXT,
  "ignores-chain-echoes": TEXT,
  "id-changes": TEXT,
  "no-id": TEXT,
  "long-id": TEXT,
  "uuid-id": TEXT,

  "error-event": refused(FAILED, fails("upstream_error", false)),
  "error-event-nested": refused(busy("5"), fails("upstream_rate_limited", false)),
  "output-text-empty": TEXT,
  "no-usage": { answer: (text) => ({ text, usage: null }) },
  "no-output-in-terminal": TEXT,
  "no-deltas": TEXT,

  "bare-json": { ...TEXT, stream: fails("upstream_error", true) },
  "no-event-lines": TEXT,
  comments: TEXT,
  done: TEXT,
  crlf: TEXT,
  "json-for-stream": TEXT,
  "sse-for-json": TEXT,
  gzip: TEXT,
  "bad-encoding": refused(NO_ANSWER),
  "invalid-utf8": refused(NO_ANSWER, fails("upstream_invalid_response", true)),
  unicode: { answer: (text) => ({ text: text + MULTI_BYTE_TEXT }) },
  splits: TEXT,
  "endless-event": refused(NO_ANSWER, fails("upstream_invalid_response", false)),

  cut: refused(FAILED, fails("upstream_error", true)),
  reset: refused(FAILED, fails("upstream_error", true)),
  "reset-before-headers": refused(FAILED),
  "first-byte/3000": refused(TIMEOUT),
  "slow/100": TEXT,
  stall: refused(TIMEOUT, fails("upstream_timeout", true)),
  // Takes longer than the idle deadline: any byte counts.
  "drip/1": { ...TEXT, long: true },
};

let emulator: Emulator;
let worker: Worker;
/** With deadlines that a test can wait for; a busy machine might miss them for other reasons, so only these rows have them. */
let hurried: Worker;
const HURRIED = /^(first-byte|stall|drip)\//;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  hurried = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":400,"upstream_idle":400}' });
});
afterAll(async () => {
  await worker.stop();
  await hurried.stop();
  await emulator.close();
});

async function ask(name: string, form: string, fields: object, headers: Record<string, string> = {}): Promise<[Got, string]> {
  const input = `${PROMPT} ${name} as ${form}`;
  const got = await (HURRIED.test(`${name}/`) ? hurried : worker).ask({ input, model: `emulate/${name}`, ...fields }, headers);
  expect(got.ms).toBeLessThan(BOUND_MS);
  const received = emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input)));
  expect(received.length, "calls of upstream").toBe(ROWS[name]?.calls ?? 1);
  expect(new Set(received.map(({ headers: { host } }) => host)), "no redirect was followed").toEqual(new Set([new URL(emulator.url).host]));
  return [got, `You said: "${input}".`];
}

function expectRefusal(got: Got, { status, code, param = "", final, retryAfter }: Refused): void {
  const error = errorOf(got);
  expect([got.status, error.code, error.param]).toEqual([status, code, param]);
  expect([got.headers["x-should-retry"], got.headers["retry-after"]]).toEqual([final ? "false" : undefined, retryAfter]);
}

function expectAnswer(answer: Record<string, unknown>, name: string, text: string): void {
  expect(answer).toEqual({
    id: expect.stringMatching(/^resp_ue1_[\w-]{1,247}$/),
    previous_response_id: null,
    created_at: expect.any(Number),
    model: `emulator/emulate/${name}`,
    status: "completed",
    usage: expect.any(Object),
    ...ROWS[name]?.answer?.(text),
  });
}

test("every fault on the menu has its row", async () => {
  const list = await fetch(`${emulator.url}/v1/models`, { headers: { authorization: `Bearer ${UPSTREAM_KEY}` } });
  const { data } = (await list.json()) as { data: { id: string }[] };
  const menu = data.flatMap(({ id }) => /^emulate\/([^/]+)/.exec(id)?.[1] ?? []);
  expect([...new Set(Object.keys(ROWS).map((name) => name.split("/")[0]))].toSorted()).toEqual(menu.toSorted());
});

describe.concurrent.each(Object.entries(ROWS))("emulate/%s", (name, row) => {
  const streamed: { refused?: Refused; fails?: Fails } = row.stream ?? (row.refused === undefined ? {} : { refused: row.refused });

  test("asked for as JSON", async () => {
    const [got, text] = await ask(name, "JSON", {});
    if (row.refused !== undefined) expectRefusal(got, row.refused);
    else expectAnswer(json(got), name, text);
  });

  test.skipIf(row.long)("asked for as events", async () => {
    const [got, text] = await ask(name, "events", { stream: true });
    if (streamed.refused !== undefined) {
      expectRefusal(got, streamed.refused);
      return;
    }
    const events = eventsOf(got);
    if (streamed.fails === undefined) {
      expectAnswer(endOf(events), name, text);
      return;
    }
    expect([...new Set(events.map(({ event }) => event))]).toEqual(streamed.fails.said ? ["start", "text", "error"] : ["start", "error"]);
    expect(endOf(events)["code"]).toBe(streamed.fails.code);
  });

  test.skipIf(row.long)("asked for as a stream of text", async () => {
    const [got, text] = await ask(name, "text", { stream: true }, { accept: "text/plain" });
    if (streamed.refused !== undefined) expectRefusal(got, streamed.refused);
    else if (streamed.fails === undefined) {
      const answer = row.answer?.(text) ?? {};
      expect([got.status, got.broke, got.text]).toEqual([200, false, answer["text"] === "" ? (answer["refusal"] ?? "") : answer["text"]]);
    } else if (streamed.fails.said) {
      expect([got.status, got.broke]).toEqual([200, true]);
      expect(got.text).not.toBe("");
    } else {
      const { code } = streamed.fails;
      expect([got.status, errorOf(got).code]).toEqual([STATUS[code], code]);
    }
  });
});
