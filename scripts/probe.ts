// npm run probe [-- --yes --models a,b --follow-ups N --emulator]: tests UniAPI behavior that its documentation leaves open, using the key
// in .dev.vars. The script prints each request, the answer without secrets, and a verdict. It changes nothing in the project.
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { isRecord, type JsonObject, parseJson, recordsOf, textOf } from "../src/core/lib/json.ts";
import { redact } from "../src/core/upstream/redact.ts";
import { startEmulator } from "../test/emulator/emulator.ts";
import { keyMistake, parseSecrets, readText } from "./secrets-file.ts";
import { CommandError } from "./command-error.ts";

const DEFAULT_BASE_URL = "https://api.uniapi.io";
const TIMEOUT_MS = 120_000;
/** The smallest `max_output_tokens` that OpenAI accepts. */
const MIN_OUTPUT_TOKENS = 16;
/** Enough for one word, even if the model reasons first. */
const FOLLOW_UP_TOKENS = 200;
const WORD = "marmalade";
/** UniAPI sends a heartbeat every 5 s, so the answer must be long enough to take more time than that. */
const LONG_TOKENS = 1_200;

/** The models to ask in each test. The emulator has special models, one for each behavior. */
interface ModelsByQuestion {
  chain: string;
  chainSupport: readonly string[];
  reasoning: string;
  slow: string;
}
const LIVE: ModelsByQuestion = {
  chain: "gpt-6-luna",
  chainSupport: ["gpt-6-luna", "gpt-6-sol", "gemini-3.5-flash-lite", "deepseek-v4-flash"],
  reasoning: "gpt-6-luna",
  slow: "gpt-6-luna",
};
const EMULATED: ModelsByQuestion = {
  chain: "gpt-6-luna",
  chainSupport: ["gpt-6-luna", "emulate/ignores-chain", "emulate/chat-compat", "emulate/forgets-chain"],
  reasoning: "gpt-6-luna",
  slow: "emulate/heartbeat/50",
};

interface ProbeRequest {
  method: string;
  path: string;
  body?: JsonObject | undefined;
  /** "wrong" sends a made-up key. */
  key?: "wrong";
}

export interface Reply {
  /** HTTP status, or 0 if there was no response. */
  status: number;
  type: string;
  /** The body, or the reason why there is no body. */
  text: string;
  /** Milliseconds until the headers, and until the end of the body. */
  firstMs: number;
  totalMs: number;
}

type Send = (request: ProbeRequest) => Promise<Reply>;
interface Row {
  question: string;
  verdict: string;
}

// ── Verdicts ──

export function jsonOf(reply: Reply): JsonObject {
  const value = parseJson(reply.text.trim());
  return isRecord(value) ? value : {};
}

export function outputTextOf(response: JsonObject): string {
  const parts = recordsOf(response["output"]).flatMap((item) => recordsOf(item["content"]));
  return parts.map((part) => textOf(part["text"])).join("") || textOf(response["output_text"]);
}

/** Judges whether a follow-up knew the word that its parent was asked to remember. */
export function judgeFollowUp(reply: Reply, parentId: string): { remembered: boolean; verdict: string } {
  const response = jsonOf(reply);
  const error = response["error"];
  if (reply.status !== 200 || isRecord(error)) {
    const code = isRecord(error) ? textOf(error["code"]) || textOf(error["type"]) : "";
    return { remembered: false, verdict: `refused, ${reply.status} ${code}`.trim() };
  }
  const returnedId = response["previous_response_id"];
  const echoed =
    returnedId === parentId
      ? "echoed"
      : returnedId === undefined
        ? "no such field"
        : returnedId === null
          ? "echoed as null"
          : "another id";
  const remembered = outputTextOf(response).toLowerCase().includes(WORD);
  const ranOutOfTokens = response["status"] === "incomplete" && !remembered;
  return {
    remembered,
    verdict: `${echoed}; ${remembered ? "knew the word" : ranOutOfTokens ? "ran out of tokens before it could tell" : "DID NOT know the word"}`,
  };
}

/** Describes an upstream id without showing it. */
export function describeId(id: string): string {
  const [prefix] = /^[a-z]+[_-]/i.exec(id) ?? [];
  return `${prefix === undefined ? "without a prefix" : `begin ${prefix}`}, ${id.length} characters`;
}

/**
 * Lists which request fields the response echoes. A field that is missing from the response proves nothing, since UniAPI may have used it
 * without returning it.
 */
export function judgeEcho(sent: JsonObject, response: JsonObject): string {
  return Object.entries(sent)
    .map(([name, value]) => {
      const echoedValue = response[name];
      if (JSON.stringify(echoedValue) === JSON.stringify(value)) return `${name}: echoed`;
      if (echoedValue === undefined) return `${name}: not in the answer`;
      return `${name}: came back as ${JSON.stringify(echoedValue)}: overridden`;
    })
    .join("; ");
}

/** Counts the heartbeats in a body: blank lines before JSON, or `::PING` and comments in a stream. */
export function judgeHeartbeat(text: string): string {
  const leading = /^(?:[ \t]*\r?\n)*/.exec(text)?.[0].split("\n").length ?? 1;
  const lines = text.split(/\r?\n/);
  const pings = lines.filter((line) => line.trim() === "::PING").length;
  const comments = lines.filter((line) => line.startsWith(":") && line.trim() !== "::PING").length;
  const found = [
    leading > 1 ? `${leading - 1} blank lines before the body` : "",
    pings > 0 ? `${pings} × ::PING` : "",
    comments > 0 ? `${comments} other comments` : "",
  ].filter((part) => part !== "");
  return found.length === 0 ? "no heartbeat seen" : `heartbeat: ${found.join(", ")}`;
}

/** Returns the names and types in a value but not the values, because a balance is private. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (!isRecord(value)) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]));
}

// ── The questions ──

async function probeChain(ask: Send, models: ModelsByQuestion, count: number): Promise<Row[]> {
  title("Does a chain stay on one backend?");
  const root = await ask(
    create({ model: models.chain, input: `Remember the word ${WORD}. Answer with: ok`, store: true }),
  );
  const id = textOf(jsonOf(root)["id"]);
  if (id === "")
    return [row("Does a chain stay on one backend?", `can't tell: the first request failed, status ${root.status}`)];
  let remembered = 0;
  const failures: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const reply = await ask(followUp(models.chain, id));
    const judged = judgeFollowUp(reply, id);
    if (judged.remembered) remembered += 1;
    else failures.push(judged.verdict);
  }
  const rest = failures.length === 0 ? "" : `; the others: ${[...new Set(failures)].join(" | ")}`;

  title("Does GET by id exist?");
  const byId = await ask({ method: "GET", path: `/v1/responses/${id}` });
  const exists = byId.status === 200 && textOf(jsonOf(byId)["id"]) === id;
  return [
    row("Does a chain stay on one backend?", `${remembered} of ${count} follow-ups knew the root's word${rest}`),
    row("Does GET by id exist?", exists ? "yes" : `no: status ${byId.status}`),
  ];
}

async function probeChainSupport(ask: Send, models: ModelsByQuestion): Promise<Row[]> {
  const rows: Row[] = [];
  for (const model of models.chainSupport) {
    title(`Is previous_response_id echoed by ${model}?`);
    const root = await ask(create({ model, input: `Remember the word ${WORD}. Answer with: ok` }));
    const id = textOf(jsonOf(root)["id"]);
    let verdict = `can't tell: the first request failed, status ${root.status}`;
    if (id !== "") {
      const reply = await ask(followUp(model, id));
      verdict = `${judgeFollowUp(reply, id).verdict}; ids ${describeId(id)}`;
    }
    rows.push(row(`previous_response_id with ${model}`, verdict));
  }
  return rows;
}

async function probeFields(ask: Send, models: ModelsByQuestion): Promise<Row[]> {
  title("Which request fields are forwarded?");
  const tool = { type: "function", name: "unused", parameters: { type: "object", properties: {} } };
  const sent = {
    metadata: { probe: "uniapi-edge" },
    user: "probe-user",
    prompt_cache_key: "probe-cache-key",
    safety_identifier: "probe-safety",
    parallel_tool_calls: false,
  };
  const reply = await ask(
    create({ model: models.chain, input: "Say ok", tools: [tool], tool_choice: "none", ...sent }),
  );
  // UniAPI applies "default" when the field is absent, so only another tier shows whether the field arrives. Flex is the cheapest.
  const tier = await ask(create({ model: models.reasoning, input: "Say ok", service_tier: "flex" }));
  return [
    row("Which request fields are forwarded?", judgeFields(reply, sent)),
    row(`service_tier "flex" with ${models.reasoning}`, judgeFields(tier, { service_tier: "flex" })),
  ];
}

function judgeFields(reply: Reply, sent: JsonObject): string {
  return reply.status === 200
    ? judgeEcho(sent, jsonOf(reply))
    : `refused with ${reply.status}: see the answer for the field that it names`;
}

async function probeHeartbeats(ask: Send, models: ModelsByQuestion): Promise<Row[]> {
  const rows: Row[] = [];
  for (const stream of [false, true]) {
    const question = `Does the heartbeat reach /v1/responses (${stream ? "stream" : "JSON"})?`;
    title(question);
    const body = {
      model: models.slow,
      input: "Count from 1 to 600 in digits, separated by spaces.",
      max_output_tokens: LONG_TOKENS,
    };
    const reply = await ask(create(stream ? { ...body, stream } : body));
    const short = reply.totalMs < 5_500 ? " (it took less than the 5 s of a heartbeat: proves nothing)" : "";
    const seen = judgeHeartbeat(reply.text);
    rows.push(row(question, `${seen} in ${(reply.totalMs / 1_000).toFixed(1)} s${seen.startsWith("no") ? short : ""}`));
  }
  return rows;
}

async function probeErrors(ask: Send): Promise<Row[]> {
  title("What does an unknown model get?");
  const model = await ask(create({ model: "uniapi-edge-probe-nope", input: "hi" }));
  title("What does a bad key get?");
  const key = await ask({ ...create({ model: "gpt-6-luna", input: "hi" }), key: "wrong" });
  return [
    row("Error of an unknown model", errorOf(model)),
    row("Error of a bad key", errorOf(key)),
    row("Error of an empty balance (403)", "not tested: needs an account without credit"),
  ];
}

function errorOf(reply: Reply): string {
  const error = jsonOf(reply)["error"];
  if (!isRecord(error)) return `${reply.status}; no error object`;
  return `${reply.status}; code ${JSON.stringify(error["code"] ?? null)}, type ${JSON.stringify(error["type"] ?? null)}`;
}

const BALANCE = { method: "GET", path: "/v1/billing/usage?type=token&unit=usd" };

function usedUsd(reply: Reply): number | undefined {
  const data = jsonOf(reply)["data"];
  const used = isRecord(data) ? data["used"] : undefined;
  return typeof used === "number" ? used : undefined;
}

const create = (body: JsonObject): ProbeRequest => ({
  method: "POST",
  path: "/v1/responses",
  body: { max_output_tokens: MIN_OUTPUT_TOKENS, ...body },
});
const followUp = (model: string, previous_response_id: string): ProbeRequest =>
  create({
    model,
    input: "Which word? Answer with the word alone.",
    previous_response_id,
    max_output_tokens: FOLLOW_UP_TOKENS,
  });
const row = (question: string, verdict: string): Row => ({ question, verdict });

// ── Requests and output ──

function title(text: string): void {
  console.log(`\n## ${text}`);
}

/** Creates a function that sends a request, and prints the request and its answer. */
function createSend(baseUrl: string, key: string): Send {
  const wrong = madeUpKey();
  return async (request) => {
    console.log(`\n> ${request.method} ${request.path}${request.key === "wrong" ? "   (with a made-up key)" : ""}`);
    if (request.body !== undefined) console.log(`> ${JSON.stringify(request.body)}`);
    const reply = await send(baseUrl, request.key === "wrong" ? wrong : key, request);
    console.log(`< ${reply.status} ${reply.type}, ${reply.firstMs} ms to the headers, ${reply.totalMs} ms in all`);
    for (const line of summarize(request.path, reply)) console.log(`< ${redact(line, [key, wrong])}`);
    return reply;
  };
}

/**
 * Returns the lines to print for an answer. For a response object: the relevant fields first, then the names of all others. For the
 * balance: its shape. For a stream: the first and the last lines. For anything else: the whole body.
 */
function summarize(path: string, reply: Reply): string[] {
  const json = jsonOf(reply);
  if (path === BALANCE.path) return [JSON.stringify(shapeOf(json))];
  if (reply.type.startsWith("text/event-stream")) {
    const lines = reply.text
      .split(/\r?\n/)
      .map((line) => (line.length > 120 ? `${line.slice(0, 120)}…` : line || "(blank line)"));
    return [...lines.slice(0, 8), `(${lines.length} lines; the last ones:)`, ...lines.slice(-6)];
  }
  if (!Array.isArray(json["output"])) return [reply.text || "(empty)"];
  const first = Object.fromEntries(SHOWN_FIRST.filter((name) => name in json).map((name) => [name, json[name]]));
  const others = Object.keys(json).filter((name) => !SHOWN_FIRST.includes(name));
  return [JSON.stringify(first), `and the keys ${others.join(", ")}`];
}

/** The fields of a response that the tests examine. */
const SHOWN_FIRST = [
  ..."id object status model previous_response_id error incomplete_details".split(" "),
  ..."metadata user service_tier prompt_cache_key safety_identifier parallel_tool_calls usage output".split(" "),
];

const madeUpKey = (): string => `sk-${randomBytes(24).toString("hex")}`;

async function send(baseUrl: string, key: string, { method, path, body }: ProbeRequest): Promise<Reply> {
  const startedAt = Date.now();
  let firstMs = 0;
  try {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    firstMs = Date.now() - startedAt;
    const text = await response.text();
    return {
      status: response.status,
      type: response.headers.get("content-type") ?? "",
      text,
      firstMs,
      totalMs: Date.now() - startedAt,
    };
  } catch (error) {
    const cause = error instanceof Error && isRecord(error.cause) ? textOf(error.cause["code"]) : "";
    const text = `no answer: ${error instanceof Error ? error.name : "failure"} ${cause}`.trim();
    return { status: 0, type: "", text, firstMs, totalMs: Date.now() - startedAt };
  }
}

function printTable(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(({ question }) => question.length));
  console.log(`\n${"Question".padEnd(width)}  Verdict\n${"-".repeat(width)}  -------`);
  for (const { question, verdict } of rows) console.log(`${question.padEnd(width)}  ${verdict}`);
}

/** @throws CommandError */
export function optionsOf(args: string[]) {
  try {
    const options = {
      yes: { type: "boolean", default: false },
      emulator: { type: "boolean", default: false },
      models: { type: "string" },
      "follow-ups": { type: "string", default: "5" },
    } as const;
    return parseArgs({ args, options }).values;
  } catch {
    throw new CommandError("Usage: npm run probe [-- --emulator --yes --models a,b --follow-ups 5]");
  }
}

async function main(): Promise<void> {
  const values = optionsOf(process.argv.slice(2));
  const count = Number(values["follow-ups"]);
  if (!Number.isInteger(count) || count < 1 || count > 50)
    throw new CommandError("--follow-ups must be a whole number from 1 to 50");
  const extra = (values.models ?? "")
    .split(",")
    .map((model) => model.trim())
    .filter((model) => model !== "");
  const base = values.emulator ? EMULATED : LIVE;
  const models = { ...base, chainSupport: [...new Set([...base.chainSupport, ...extra])] };

  const emulatorKey = madeUpKey();
  const emulator = values.emulator ? await startEmulator({ key: emulatorKey }) : undefined;
  try {
    const { baseUrl, key } = emulator === undefined ? settings() : { baseUrl: emulator.url, key: emulatorKey };
    if (emulator === undefined && !values.yes) await confirmCost(baseUrl, count, models);
    await probe(baseUrl, key, models, count);
  } finally {
    await emulator?.close();
  }
}

async function probe(baseUrl: string, key: string, models: ModelsByQuestion, count: number): Promise<void> {
  console.log(
    `Asking ${baseUrl}. Keys, ids, addresses and amounts are taken out of the answers; each line is cut at 1,000 characters.`,
  );
  const ask = createSend(baseUrl, key);
  title("What does the balance endpoint answer?");
  const before = await ask(BALANCE);
  const rows = [
    ...(await probeChain(ask, models, count)),
    ...(await probeChainSupport(ask, models)),
    ...(await probeFields(ask, models)),
    ...(await probeHeartbeats(ask, models)),
    ...(await probeErrors(ask)),
    row(
      "Balance endpoint",
      before.status === 200 ? JSON.stringify(shapeOf(jsonOf(before))) : `status ${before.status}`,
    ),
  ];
  title("What was spent?");
  const [from, to] = [usedUsd(before), usedUsd(await ask(BALANCE))];
  const spent =
    from === undefined || to === undefined ? "unknown" : `${(to - from).toFixed(6)} USD so far by UniAPI's own count`;
  printTable([...rows, row("Spent by this probe", spent)]);
}

function settings(): { baseUrl: string; key: string } {
  const secrets = parseSecrets(readText(".dev.vars") ?? "");
  const key = (secrets["UNIAPI_KEY"] ?? "").trim();
  if (keyMistake(key) !== null) {
    throw new CommandError(
      "There is no usable UNIAPI_KEY in .dev.vars. Run npm run setup, or try: npm run probe -- --emulator",
    );
  }
  const configured = secrets["UNIAPI_BASE_URL"] || DEFAULT_BASE_URL;
  const url = URL.parse(configured);
  if (url?.protocol !== "https:") throw new CommandError("UNIAPI_BASE_URL in .dev.vars must begin with https://");
  return { baseUrl: (url.origin + url.pathname).replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, ""), key };
}

async function confirmCost(baseUrl: string, count: number, models: ModelsByQuestion): Promise<void> {
  const calls = 1 + count + 2 * models.chainSupport.length + 2 + 2 + 2;
  console.log(
    `This sends ${calls} small paid requests to ${baseUrl} with the key in .dev.vars. With the default models that costs`,
  );
  console.log("under a cent (an estimate from list prices of 2026); models that you add with --models may cost more.");
  if (!process.stdin.isTTY)
    throw new CommandError("Nothing was sent. To start without being asked: npm run probe -- --yes");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question("Start? [y/N] ").finally(() => terminal.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError("Nothing was sent.");
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
