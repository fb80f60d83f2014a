// The production bundle over real HTTP, for the end-to-end tests: one Worker per file with given settings, and a client that hides
// nothing (status, headers, bytes, broken connections). `stop` checks everything that went through it: no secret is in a response, a
// log line, a KV key or the storage of an object, and every request wrote one log line.
//
// Miniflare runs the bundle directly. wrangler's createTestHarness sends the Worker's own requests through Node's fetch and the callers'
// through a proxy, where a disconnect and a broken upstream don't look as they do in workerd.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { createRequire } from "node:module";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import { expect, inject } from "vitest";
import { shippedBundle } from "./bundle.ts";

export const UPSTREAM_KEY = "sk-canary-4f9d2c7b1e8a5063";
export const SERVER_KEY = "sk_Vq7hTz2mWc9LxR4b";
export const OTHER_SERVER_KEY = "sk_Nw3dKj8yPf6GsU5e";
const ID_KEY = Buffer.from("id key of the end-to-end tests!!").toString("base64");
const OWNER = "backoffice-owner";
/** Part of every prompt. */
export const PROMPT = "zebra-marker";
const SECRETS = [UPSTREAM_KEY, SERVER_KEY, OTHER_SERVER_KEY, ID_KEY];
/** Names of settings that hold further secrets: those of hooks and callbacks. */
const SECRET_NAME = /_(?:SECRET|TOKEN|KEY)$/;
const WINDOW = 8;

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: string | Uint8Array | object;
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string>;
  text: string;
  /** The connection ended before the body did. */
  broken: boolean;
  ms: number;
}

export interface ServerSentEvent {
  id: string;
  event: string;
  data: Record<string, unknown>;
}

interface LogLine {
  event?: string;
  request_id?: string;
  [field: string]: unknown;
}

export interface Worker {
  url: URL;
  send: (path: string, asking?: RequestOptions) => Promise<HttpResponse>;
  /** POST /ask with a JSON body. */
  ask: (body: object, headers?: Record<string, string>) => Promise<HttpResponse>;
  /** Opens a raw connection and sends a request, for clients that disconnect. Resolves once the received text is `enough`. */
  open: (
    body: object,
    headers: Record<string, string>,
    enough?: (text: string) => boolean,
    path?: string,
  ) => Promise<Socket>;
  /** The log lines of requests and warnings so far. */
  log: () => LogLine[];
  /** The log line of one response. Waits until it is written. */
  logOf: (response: HttpResponse) => Promise<LogLine>;
  kvKeys: () => Promise<string[]>;
  kv: () => Promise<Map<string, string>>;
  /** The bytes that Durable Objects and Workflow instances have on disk, including deleted ones. */
  objects: () => string;
  stop: () => Promise<void>;
}

/** @param settings vars and secrets that replace or extend the default ones @param bundle default: the bundle that ships */
export async function startWorker(
  upstream: string,
  settings: Record<string, string> = {},
  bundle?: string,
): Promise<Worker> {
  const logLines: string[] = [];
  const bindings = {
    ENVIRONMENT: "local",
    PAUSED: "",
    UNIAPI_BASE_URL: upstream,
    UNIAPI_KEY: UPSTREAM_KEY,
    SERVER_KEYS: `${OWNER}:${SERVER_KEY},${OTHER_SERVER_KEY}`,
    ID_KEYS: ID_KEY,
    ...settings,
    DEADLINES: JSON.stringify({ usage: 50, ...(JSON.parse(settings["DEADLINES"] ?? "{}") as object) }),
  };
  const storage = mkdtempSync(join(tmpdir(), "uniapi-edge-storage-"));
  const server = miniflareOf(bindings, (line) => logLines.push(line), bundle, storage);
  const url = await server.ready;
  const responses: HttpResponse[] = [];
  /** The bytes received on each raw connection, in pieces. */
  const rawResponses: Buffer[][] = [];

  async function send(path: string, options: RequestOptions = {}): Promise<HttpResponse> {
    const response = await exchange(new URL(path, url), options);
    responses.push(response);
    return response;
  }

  async function open(
    body: object,
    headers: Record<string, string>,
    enough: (text: string) => boolean = () => true,
    path = "/ask",
  ): Promise<Socket> {
    const pieces: Buffer[] = [];
    rawResponses.push(pieces);
    const socket = connect(Number(url.port), url.hostname);
    const raw = JSON.stringify(body);
    const lines = Object.entries({
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(raw)),
      ...headers,
    });
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${url.host}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${raw}`,
    );
    const text = (): string => Buffer.concat(pieces).toString("latin1");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("close", () => reject(new Error(`closed after: ${text()}`)));
      socket.once("connect", () => enough("") && resolve());
      socket.on("data", (piece: Buffer) => {
        pieces.push(piece);
        if (enough(text())) resolve();
      });
    });
    socket
      .removeAllListeners("error")
      .removeAllListeners("close")
      .on("error", () => undefined);
    return socket;
  }

  function log(): LogLine[] {
    return logLines.filter((message) => message.startsWith("{")).map((message) => JSON.parse(message) as LogLine);
  }

  async function logOf(response: HttpResponse): Promise<LogLine> {
    const id = response.headers["x-request-id"];
    return await until(() => log().find((line) => line.request_id === id) ?? expect.fail(`no log line for ${id}`));
  }

  async function kvKeys(): Promise<string[]> {
    const namespace = await server.getKVNamespace("RESPONSES");
    const names: string[] = [];
    let page: KeyPage | undefined;
    do {
      page = await namespace.list(page?.cursor === undefined ? {} : { cursor: page.cursor });
      names.push(...page.keys.map(({ name }) => name));
    } while (!page.list_complete);
    return names;
  }

  async function kv(): Promise<Map<string, string>> {
    const namespace = await server.getKVNamespace("RESPONSES");
    const names = await kvKeys();
    const entries = new Map<string, string>();
    for (let at = 0; at < names.length; at += 100) {
      for (const [name, text] of await namespace.get(names.slice(at, at + 100), "text")) entries.set(name, text ?? "");
    }
    return entries;
  }

  function objects(): string {
    const files = readdirSync(storage, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const paths = files
      .map((file) => join(file.parentPath, file.name))
      .filter((path) => !path.startsWith(join(storage, "kv")));
    return paths.map((path) => `${path}\n${readFileSync(path, "latin1")}`).join("\n");
  }

  /** Every attempt of a job and of a delivery has a log line with its own id and with the job of a request. */
  function assertJobLines(): void {
    const lines = log().filter(({ event }) => event === "job" || event === "delivery");
    const jobs = log().flatMap((line) => (line.event === "request" ? [line["job"]] : []));
    for (const { job } of lines) expect(jobs).toContain(job);
    expect(new Set(lines.map((line) => line.request_id)).size).toBe(lines.length);
  }

  async function stop(): Promise<void> {
    try {
      const requests = (): string[] =>
        log().flatMap((line) => (line.event === "request" ? [line.request_id ?? ""] : []));
      await until(() => expect(requests().length, "log lines").toBe(responses.length + rawResponses.length));
      expect(new Set(requests()).size, "a request wrote two log lines").toBe(responses.length + rawResponses.length);
      for (const response of responses) expect(requests()).toContain(response.headers["x-request-id"]);
      assertJobLines();
      const secrets = [
        ...SECRETS,
        ...Object.keys(settings).flatMap((name) => (SECRET_NAME.test(name) ? (settings[name] ?? "").split(",") : [])),
      ];
      // workerd may evict an object and delete its write-ahead log meanwhile. Then all files are read again.
      assertNoLeaks(
        secrets.flatMap(windows),
        [...responses, ...rawResponses.map(rawResponseFrom)],
        logLines,
        await kv(),
        await until(objects),
      );
    } finally {
      await server.dispose();
      rmSync(storage, { recursive: true, force: true });
    }
  }

  return {
    url,
    send,
    ask: (body, headers = {}) => send("/ask", { method: "POST", body, headers }),
    open,
    log,
    logOf,
    kvKeys,
    kv,
    objects,
    stop,
  };
}

interface KeyPage {
  keys: { name: string }[];
  list_complete: boolean;
  /** Start of the next page. */
  cursor?: string;
}
interface Namespace {
  list: (options: { cursor?: string }) => Promise<KeyPage>;
  get: (keys: string[], type: "text") => Promise<Map<string, string | null>>;
}
interface Miniflare {
  ready: Promise<URL>;
  getKVNamespace: (binding: string) => Promise<Namespace>;
  dispose: () => Promise<void>;
}
interface MiniflarePackage {
  Miniflare: new (options: unknown) => Miniflare;
  convertV4MiniflareOptions: (options: object) => object;
}

/** Miniflare with the bindings of wrangler.toml and a bundle of `wrangler deploy` (test/e2e/bundle.ts). @param storage folder of its data */
export function miniflareOf(
  bindings: Record<string, string>,
  onLog: (line: string) => void,
  bundle = shippedBundle(),
  storage?: string,
): Miniflare {
  // wrangler's own Miniflare. A dependency of ours could bring a second workerd.
  const wrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
  const { Miniflare, convertV4MiniflareOptions } = wrangler("miniflare") as MiniflarePackage;
  const workerOptions = inject("workerOptions");
  const worker = {
    ...workerOptions,
    name: "uniapi-edge",
    rootPath: undefined,
    modulesRules: undefined,
    modules: [{ type: "ESModule", path: "index.js", contents: bundle }],
    bindings: { ...workerOptions.bindings, ...bindings },
  };
  const options = convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    handleStructuredLogs: ({ message }: { message: string }) => onLog(message),
    workers: [worker],
  });
  return new Miniflare(storage === undefined ? options : { ...options, resourcePersistencePath: storage });
}

/** Repeats `check` until it no longer throws, and returns its result. After `ms` it throws the last error. Works in hooks, too. */
export async function until<T>(check: () => T | Promise<T>, ms = 5_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(20);
    }
  }
}

async function exchange(url: URL, { method, headers = {}, body }: RequestOptions): Promise<HttpResponse> {
  const json = typeof body === "object" && !(body instanceof Uint8Array);
  const raw = json ? JSON.stringify(body) : (body ?? "");
  const began = performance.now();
  return await new Promise<HttpResponse>((resolve, reject) => {
    const request = httpRequest(
      url,
      {
        method: method ?? (body === undefined ? "GET" : "POST"),
        agent: false,
        headers: {
          ...(json ? { "content-type": "application/json" } : {}),
          "content-length": Buffer.byteLength(raw),
          ...headers,
        },
      },
      (response) => {
        const pieces: Uint8Array[] = [];
        response.on("data", (piece: Uint8Array) => pieces.push(piece));
        response.on("error", () => undefined);
        response.on("close", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
            text: Buffer.concat(pieces).toString("utf8"),
            broken: !response.complete,
            ms: performance.now() - began,
          }),
        );
      },
    );
    request.on("error", reject);
    request.end(raw);
  });
}

/** The body as JSON. Asserts the content type. */
export function json(response: HttpResponse): Record<string, unknown> {
  expect(response.headers["content-type"]).toMatch(/^application\/json/);
  return JSON.parse(response.text) as Record<string, unknown>;
}

/** Asserts the error body of docs/contract.md §8: five strings and the request id of the header, and nothing else. */
export function errorOf(response: HttpResponse): {
  message: string;
  type: string;
  code: string;
  param: string;
  request_id: string;
} {
  expect(response.status).toBeGreaterThanOrEqual(400);
  return envelope(json(response), response);
}

function envelope(body: Record<string, unknown>, response: HttpResponse): ReturnType<typeof errorOf> {
  const text = expect.any(String) as string;
  const error = { message: text, type: text, code: text, param: text, request_id: response.headers["x-request-id"] };
  expect(body).toEqual({ error });
  expect(response.headers["cache-control"]).toBe("no-store");
  return body["error"] as ReturnType<typeof errorOf>;
}

/** The events of a stream. Asserts docs/contract.md §2: ids, order, one end, and deltas that join to the text of `done`. */
export function eventsOf(response: HttpResponse): ServerSentEvent[] {
  expect([response.status, response.headers["content-type"], response.broken]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
    false,
  ]);
  const events = parseEvents(response.text);
  const [run] = (events[0]?.id ?? "").split("-");
  expect(run).toMatch(/^\w+$/);
  expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => `${run}-${index}`));
  const names = events.map(({ event }) => event);
  expect(names.filter((name) => name === "done" || name === "error")).toHaveLength(1);
  const last = events.at(-1);
  expect(["done", "error"]).toContain(last?.event);
  expect(names.indexOf("start")).toBe(last?.event === "error" && events.length === 1 ? -1 : 0);
  expect(names.lastIndexOf("start")).toBeLessThan(1);
  const joinDeltas = (name: string): string =>
    events.map(({ event, data }) => (event === name ? String(data["delta"]) : "")).join("");
  if (last?.event === "done") {
    expect(joinDeltas("text")).toBe(last.data["text"]);
    expect(joinDeltas("refusal")).toBe(last.data["refusal"] ?? "");
    expect(joinDeltas("reasoning")).toBe(last.data["reasoning_summary"] ?? "");
    expect(events.flatMap(({ event, data }) => (event === "tool_call" ? [data] : []))).toEqual(
      last.data["tool_calls"] ?? [],
    );
  } else if (last !== undefined) envelope(last.data, response);
  return events;
}

export function parseEvents(text: string): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  const parser = createParser({
    onEvent: ({ id = "", event = "", data }) =>
      events.push({ id, event, data: JSON.parse(data) as Record<string, unknown> }),
  });
  parser.feed(text);
  return events;
}

/** The answer in `done`, or the error in `error`. */
export function endOf(events: readonly ServerSentEvent[]): Record<string, unknown> {
  return (events.at(-1)?.data["error"] as Record<string, unknown> | undefined) ?? events.at(-1)?.data ?? {};
}

/** @param keys parts of the secrets */
function assertNoLeaks(
  keys: readonly string[],
  responses: readonly PartialResponse[],
  logs: readonly string[],
  kv: ReadonlyMap<string, string>,
  objects: string,
): void {
  const words = [...keys, PROMPT, OWNER];
  for (const response of responses) {
    const head = JSON.stringify([response.status, response.headers]);
    assertAbsent(`${head}${errorTexts(response)}`, words);
    assertAbsent(response.text, keys);
  }
  for (const line of logs) assertAbsent(line, words);
  for (const [key, value] of kv) {
    assertAbsent(key, words);
    assertAbsent(value, [...keys, OWNER]);
  }
  // A job's record contains the prompt, as a turn does.
  assertAbsent(objects, [...keys, OWNER]);
}

/** The part of a response that its reader received. */
type PartialResponse = Pick<HttpResponse, "status" | "headers" | "text">;

function rawResponseFrom(pieces: readonly Buffer[]): PartialResponse {
  return parseRawResponse(Buffer.concat(pieces).toString("latin1"));
}

/** The response on a raw connection, as far as it was read. Without the framing of chunks, which could cut a secret in two. */
export function parseRawResponse(raw: string): PartialResponse {
  const [head = "", ...rest] = raw.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  const chunked = /^transfer-encoding: *chunked$/im.test(head);
  return { status: Number(head.split(" ")[1] ?? 0), headers: { head }, text: chunked ? withoutChunks(body) : body };
}

/** The data of a chunked body (RFC 9112 §7.1). The last chunk ends where the reader disconnected. */
function withoutChunks(body: string): string {
  const [line = "", size = "0"] = /^([\da-f]+)\r\n/i.exec(body) ?? [];
  const end = line.length + Number.parseInt(size, 16);
  return end === line.length ? "" : body.slice(line.length, end) + withoutChunks(body.slice(end + "\r\n".length));
}

function errorTexts(response: PartialResponse): string {
  if (response.status >= 400) return response.text;
  return response.text
    .split(/\n\n/)
    .filter((frame) => /^event: error$/m.test(frame))
    .join("\n");
}

/** All substrings of eight characters. */
function windows(secret: string): string[] {
  return Array.from({ length: secret.length - WINDOW + 1 }, (_, at) => secret.slice(at, at + WINDOW));
}

function assertAbsent(text: string, words: readonly string[]): void {
  for (const word of words) {
    const at = text.indexOf(word);
    if (at !== -1) expect.fail(`${JSON.stringify(word)} is in ${text.slice(Math.max(0, at - 1_000), at + 1_000)}`);
  }
}
