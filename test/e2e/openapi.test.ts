// Sends every example of /openapi.json to the production bundle unchanged, provokes every failure that can be provoked, and validates each
// response against the document.
import { get as httpGet } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ANSWER_ID, JOB_ID, RUN_ID, FOLLOW_UP_ID } from "../../src/openapi/parameters.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { type Exchange, exchangesOf, type Judge, judge, type OpenApi } from "../support/openapi.ts";
import { type Example, githubSignature, startExample } from "./openapi.ts";
import { parseEvents, SERVER_KEY, until } from "./worker.ts";

const PUBLISHABLE_KEY = "pk_0123456789abcdefghij";
const JSON_TYPE = "application/json";
/** Generated here, not served: the names of tests are needed before the Worker runs. */
const EXCHANGES = exchangesOf(JSON.parse(JSON.stringify(openApiDocument("0"))) as OpenApi);

let example: Example;
let served: OpenApi;
let judged: Judge;
const provoked = new Set<string>();
beforeAll(async () => {
  example = await startExample();
  served = (await (await fetch(new URL("/openapi.json", example.url))).json()) as OpenApi;
  judged = judge(served);
});
afterAll(async () => {
  await example.stop();
});

test("the served document is the generated one, with the project's version", async () => {
  const generated = JSON.parse(
    JSON.stringify(openApiDocument((served["info"] as unknown as { version: string }).version)),
  ) as OpenApi;
  expect(served).toEqual(generated);
});

test.each(EXCHANGES.map((exchange) => [`${exchange.operationId}: ${exchange.name}`, exchange] as const))(
  "%s has the documented response",
  async (_, exchange) => {
    const real = await realIds(exchange);
    const sendExample = async (): Promise<Received> => await validate(real, await send(real));
    // A job takes a moment.
    const isLate = exchange.operationId === "getJob" && exchange.status === 200;
    const { status, type, body, events } = isLate
      ? await until(async () => expectDelivered(await sendExample()))
      : await sendExample();
    expect([status, type], JSON.stringify(body)).toEqual([exchange.status, exchange.answer.type]);
    if (events !== undefined)
      expect(namesIn(String(body))).toEqual(expect.arrayContaining(namesIn(String(exchange.answer.value))));
    if (real.body === undefined && events !== undefined) expect(namesIn(String(body))).not.toContain("start");
    if (type !== JSON_TYPE) return;
    const documented = exchange.answer.value as object;
    // Errors must match word for word; answers must have the documented keys.
    if (status >= 400) expect(withoutId(body)).toEqual(withoutId(documented));
    else expect(Object.keys(body as object)).toEqual(expect.arrayContaining(Object.keys(documented)));
  },
);

const deep = `${'{"a":'.repeat(130)}1${"}".repeat(130)}`;
const askRequest = (fields: object): RequestInit => ({
  body: JSON.stringify({ input: "hi", ...fields }),
  headers: { "content-type": JSON_TYPE },
});
const upstream = (fault: string): RequestInit => askRequest({ model: `emulate/${fault}`, cache: false });

test.each<[code: string, status: number, path: string, request: RequestInit]>([
  ["invalid_json", 400, "/ask", { body: "{", headers: { "content-type": JSON_TYPE } }],
  ["invalid_request", 400, "/ask", askRequest({ temperature: "hot" })],
  ["input_too_deep", 400, "/ask", askRequest({ text: JSON.parse(deep) as object })],
  ["too_many_values", 400, "/ask", askRequest({ include: Array.from({ length: 100_001 }, () => "a") })],
  ["model_not_allowed", 400, "/v1/responses", askRequest({ model: "gpt-0" })],
  ["upstream_rejected", 400, "/ask", upstream("status/418")],
  [
    "invalid_credentials",
    401,
    "/v1/responses",
    { ...askRequest({}), headers: { authorization: "Bearer sk_nobody_has_this_key" } },
  ],
  [
    "invalid_credentials",
    401,
    "/hooks/triage",
    { body: "{}", headers: { "x-hub-signature-256": githubSignature("{ }") } },
  ],
  [
    "origin_not_allowed",
    403,
    "/ask",
    { ...askRequest({}), headers: { origin: "https://evil.example", authorization: "" } },
  ],
  ["insufficient_scope", 403, "/jobs", { ...askRequest({}), headers: { authorization: `Bearer ${PUBLISHABLE_KEY}` } }],
  [
    "item_not_found",
    404,
    "/v1/responses",
    askRequest({ input: [{ type: "item_reference", id: "msg_unknown" }], model: "emulate/forgets-items" }),
  ],
  ["request_timeout", 408, "/ask", { body: new ReadableStream({ start: (it) => it.enqueue(Buffer.from("{")) }) }],
  [
    "stream_lost",
    409,
    "/ask",
    {
      ...askRequest({ stream: true }),
      headers: { "idempotency-key": "never-sent", "last-event-id": "0a1b2c3d4e5f-2" },
    },
  ],
  ["payload_too_large", 413, "/sessions", { body: JSON.stringify({ sub: "x".repeat(20_000) }) }],
  ["unsupported_media_type", 415, "/ask", { body: "hi", headers: { "content-type": "image/png" } }],
  [
    "idempotency_key_reused",
    422,
    "/v1/responses",
    { ...askRequest({ input: "another" }), headers: { "idempotency-key": "used-before" } },
  ],
  ["upstream_rate_limited", 429, "/ask", upstream("429")],
  ["budget_exceeded", 429, "/ask", { ...askRequest({}), headers: { authorization: `Bearer ${PUBLISHABLE_KEY}` } }],
  ["upstream_error", 502, "/ask", upstream("500")],
  ["upstream_error", 502, "/v1/responses", upstream("500")],
  ["upstream_invalid_response", 502, "/ask", upstream("not-json")],
  ["upstream_auth", 502, "/ask", upstream("401")],
  ["upstream_quota", 502, "/ask", upstream("402")],
  ["misconfigured", 503, "/hooks/unset", { body: "{}" }],
  ["upstream_unavailable", 503, "/v1/responses", upstream("503")],
  ["upstream_timeout", 504, "/ask", upstream("first-byte/2000")],
])("%s (%i on %s) is a documented response", async (code, status, path, request) => {
  if (code === "budget_exceeded")
    await post("/ask", { ...askRequest({}), headers: { authorization: `Bearer ${PUBLISHABLE_KEY}` } });
  if (code === "idempotency_key_reused")
    await post(path, { ...askRequest({}), headers: { "idempotency-key": "used-before" } });
  const name = path.startsWith("/hooks/") ? "/hooks/{name}" : path;
  const { body, ...seen } = await validate({ path: name, method: "post" }, await post(path, request));
  expect([seen.status, codeOf(body)]).toEqual([status, code]);
});

test("a stream that breaks ends with the documented error", async () => {
  const response = await post("/ask", askRequest({ model: "emulate/cut", stream: true, cache: false }));
  const { events = [] } = await validate({ path: "/ask", method: "post" }, response);
  expect(events.at(-1)).toMatchObject({ event: "error", data: { error: { code: "upstream_error" } } });
});

test("a WebSocket at /v1/responses is refused", async () => {
  // fetch can't send this header.
  const [status, body] = await new Promise<[number | undefined, string]>((resolve, reject) => {
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    httpGet(new URL("/v1/responses", example.url), {
      headers: { ...headers, "sec-websocket-key": "aGVsbG8gaGVsbG8gaGVsbG8=" },
    })
      .on("response", (response) => {
        response
          .setEncoding("utf8")
          .toArray()
          .then((texts) => resolve([response.statusCode, texts.join("")]), reject);
      })
      .on("error", reject);
  });
  const { error } = JSON.parse(body) as ErrorBody;
  expect([status, error.code]).toEqual([426, "upgrade_required"]);
  provoked.add(error.code);
});

test("a method that /ask does not have is refused, and Allow lists its methods", async () => {
  const response = await fetch(new URL("/ask", example.url), { method: "PUT", body: "hi" });
  expect(response.headers.get("allow")).toBe("POST");
  const { error } = (await response.json()) as ErrorBody;
  provoked.add(error.code);
  expect(served.components.responses["Problem405"]?.description).toContain(`\`${error.code}\``);
});

test("every documented code was provoked, except those that need a clock, the kill switch or a bug", () => {
  const codes = [...served.info.description.matchAll(/^\| \d+ \| `(\w+)`/gm)].map(([, code = ""]) => code);
  const missing = codes.filter((code) => !provoked.has(code));
  const unprovokable = new Set(["conversation_too_long", "rate_limited", "internal_error", "paused", "unavailable"]);
  expect(missing.filter((code) => !unprovokable.has(code))).toEqual([]);
});

interface ErrorBody {
  error: { code: string; detail_code?: string; request_id: string };
}

/** The Worker's own code. On OpenAI's routes, `code` may be OpenAI's. */
function codeOf(body: unknown): string {
  const { error } = body as ErrorBody;
  return error.detail_code ?? error.code;
}
interface Received {
  status: number;
  type: string;
  body: unknown;
  events?: unknown[];
}

/** Validates a response against the document. */
async function validate(of: { path: string; method: string }, response: Response): Promise<Received> {
  const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
  const text = await response.text().catch(() => "");
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  const { status } = response;
  if (type === "text/event-stream") {
    const isAsk = of.path === "/ask";
    const events = parseEvents(text.replace("data: [DONE]\n\n", "")).map(({ event, data }) =>
      isAsk ? { event, data } : data,
    );
    expect(events.length).toBeGreaterThan(0);
    for (const body of events) expect(judged.answer(of, { status, type, body, event: true })).toBe(null);
    return { status, type, body: text, events };
  }
  const body: unknown = type === JSON_TYPE ? JSON.parse(text) : text;
  if (status >= 400) provoked.add(codeOf(body));
  expect(judged.answer(of, { status, type, body })).toBe(null);
  return { status, type, body };
}

async function post(path: string, { headers, ...request }: RequestInit): Promise<Response> {
  const { authorization = `Bearer ${SERVER_KEY}`, ...others } = (headers as Record<string, string> | undefined) ?? {};
  return await fetch(new URL(path, example.url), {
    method: "POST",
    headers: { ...others, ...(authorization === "" ? {} : { authorization }) },
    duplex: "half",
    ...request,
  } as RequestInit);
}

async function get(path: string): Promise<Response> {
  return await fetch(new URL(path, example.url), { headers: { authorization: `Bearer ${SERVER_KEY}` } });
}

async function send({ method, path, parameters, body, answer, operationId }: Exchange): Promise<Response> {
  const url = new URL(
    path.replaceAll(/\{(\w+)\}/g, (_, name) => parameters.find((one) => one.name === name)?.value ?? ""),
    example.url,
  );
  for (const { name, value } of parameters.filter((one) => one.in === "query")) url.searchParams.set(name, value);
  const text =
    body === undefined ? undefined : typeof body.value === "string" ? body.value : JSON.stringify(body.value);
  const headers = new Headers({ accept: answer.type, ...(body === undefined ? {} : { "content-type": body.type }) });
  for (const { name, value } of parameters.filter((one) => one.in === "header")) headers.set(name, value);
  // Visitors with Turnstile and senders of webhooks have no credential.
  if (!headers.has("origin") && operationId !== "receiveWebhook") headers.set("authorization", `Bearer ${SERVER_KEY}`);
  if (headers.has("x-hub-signature-256")) headers.set("x-hub-signature-256", githubSignature(text ?? ""));
  return await fetch(url, { method: method.toUpperCase(), headers, ...(text === undefined ? {} : { body: text }) });
}

/** Replaces the ids of the example by real ids of this Worker. */
async function realIds(exchange: Exchange): Promise<Exchange> {
  let text = JSON.stringify({ ...exchange, answer: { ...exchange.answer, value: null } });
  const idOf = async (fields: object): Promise<string> => {
    const response = await post("/ask", askRequest({ ...fields, cache: false }));
    return ((await response.json()) as { id: string }).id;
  };
  if (text.includes(ANSWER_ID) || text.includes(FOLLOW_UP_ID)) {
    const id = await idOf({});
    if (text.includes(FOLLOW_UP_ID)) text = text.replaceAll(FOLLOW_UP_ID, await idOf({ previous_response_id: id }));
    text = text.replaceAll(ANSWER_ID, id);
  }
  if (text.includes(RUN_ID)) {
    const { parameters } = exchange;
    const key = parameters.find(({ name }) => name === "Idempotency-Key")?.value ?? "";
    const begun = await post("/ask", {
      ...askRequest({ stream: true }),
      headers: { "content-type": JSON_TYPE, "idempotency-key": key },
    });
    text = text.replaceAll(RUN_ID, /^id: (\w+)-0$/m.exec(await begun.text())?.[1] ?? "");
  }
  if (text.includes(JOB_ID)) {
    const { job } = (await (await post("/jobs", askRequest({ callback: "crm" }))).json()) as { job: string };
    const view = async (): Promise<unknown> => await (await get(`/jobs/${job}`)).json();
    if (exchange.operationId === "redeliverJob")
      await until(async () => expect(await view()).toHaveProperty("delivery.status", "delivered"));
    text = text.replaceAll(JOB_ID, job);
  }
  return { ...(JSON.parse(text) as Exchange), answer: exchange.answer };
}

const namesIn = (stream: string): string[] => [
  ...new Set([...stream.matchAll(/^event: (\S+)$/gm)].map(([, name = ""]) => name)),
];

function expectDelivered(seen: Received): Received {
  expect(seen.body).toHaveProperty("delivery.status", "delivered");
  return seen;
}

function withoutId(body: unknown): unknown {
  const { error } = body as ErrorBody;
  return { error: { ...error, request_id: "" } };
}
