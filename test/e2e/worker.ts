// The production bundle over real HTTP, as every end-to-end test uses it: one Worker per file with given settings, a client that
// hides nothing (status, headers, bytes, broken connections), and a guard that has seen all of it. `stop` is the canary: what must
// stay secret stands in no answer, no log line, no KV key and no byte that an object keeps, and every request wrote one line of log.
//
// Miniflare runs it without anything between: wrangler's createTestHarness sends the Worker's own requests through Node's fetch and
// its callers through a proxy, so there a caller's leave and a broken upstream never look as they do in workerd.
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
/** Stands in every prompt. */
export const PROMPT = "zebra-marker";
const SECRETS = [UPSTREAM_KEY, SERVER_KEY, OTHER_SERVER_KEY, ID_KEY];
/** Settings that hold more of them: what hooks and callbacks have. */
const SECRET_NAME = /_(?:SECRET|TOKEN|KEY)$/;
const WINDOW = 8;

export interface Asking {
  method?: string;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: string | Uint8Array | object;
}

export interface Got {
  status: number;
  headers: Record<string, string>;
  text: string;
  /** The connection ended before the body did. */
  broke: boolean;
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
  [fact: string]: unknown;
}

export interface Worker {
  url: URL;
  send: (path: string, asking?: Asking) => Promise<Got>;
  /** POST /ask with a JSON body. */
  ask: (body: object, headers?: Record<string, string>) => Promise<Got>;
  /** A raw connection with a request on it, for clients that leave; it is open once what came is `enough`. */
  open: (
    body: object,
    headers: Record<string, string>,
    enough?: (text: string) => boolean,
    path?: string,
  ) => Promise<Socket>;
  /** Lines of the log of requests and warnings, as the Worker wrote them. */
  log: () => LogLine[];
  /** The log line of one answer; waits until it is written. */
  logOf: (got: Got) => Promise<LogLine>;
  kvKeys: () => Promise<string[]>;
  kv: () => Promise<Map<string, string>>;
  /** All that Durable Objects and instances of Workflows have on disk, those that were deleted included. */
  objects: () => string;
  stop: () => Promise<void>;
}

/** @param settings vars and secrets in place of the usual ones, or beside them @param bundle another than the one that ships */
export async function startWorker(
  upstream: string,
  settings: Record<string, string> = {},
  bundle?: string,
): Promise<Worker> {
  const logs: string[] = [];
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
  const server = miniflareOf(bindings, (line) => logs.push(line), bundle, storage);
  const url = await server.ready;
  const seen: Got[] = [];
  /** What came over each raw connection, in pieces. */
  const left: Buffer[][] = [];

  async function send(path: string, asking: Asking = {}): Promise<Got> {
    const got = await exchange(new URL(path, url), asking);
    seen.push(got);
    return got;
  }

  async function open(
    body: object,
    headers: Record<string, string>,
    enough: (text: string) => boolean = () => true,
    path = "/ask",
  ): Promise<Socket> {
    const pieces: Buffer[] = [];
    left.push(pieces);
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
    return logs.filter((message) => message.startsWith("{")).map((message) => JSON.parse(message) as LogLine);
  }

  async function logOf(got: Got): Promise<LogLine> {
    const id = got.headers["x-request-id"];
    return await until(() => log().find((line) => line.request_id === id) ?? expect.fail(`no line of log for ${id}`));
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
    const kept = files
      .map((file) => join(file.parentPath, file.name))
      .filter((path) => !path.startsWith(join(storage, "kv")));
    return kept.map((path) => `${path}\n${readFileSync(path, "latin1")}`).join("\n");
  }

  /** A try at a job or an attempt to deliver it, which no request waits for: it names the job of a request, and has an id of its own. */
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
      await until(() => expect(requests().length, "lines of log").toBe(seen.length + left.length));
      expect(new Set(requests()).size, "a request wrote two lines of log").toBe(seen.length + left.length);
      for (const got of seen) expect(requests()).toContain(got.headers["x-request-id"]);
      assertJobLines();
      const secrets = [
        ...SECRETS,
        ...Object.keys(settings).flatMap((name) => (SECRET_NAME.test(name) ? (settings[name] ?? "").split(",") : [])),
      ];
      // An object that is put away meanwhile takes its write-ahead log with it: then all is read again.
      assertSecret(secrets.flatMap(windows), [...seen, ...left.map(partOf)], logs, await kv(), await until(objects));
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
  /** Where the next page begins. */
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

/** What wrangler.toml binds, with a bundle of `wrangler deploy` for its source (test/e2e/bundle.ts). @param storage where all that is kept goes */
export function miniflareOf(
  bindings: Record<string, string>,
  onLog: (line: string) => void,
  bundle = shippedBundle(),
  storage?: string,
): Miniflare {
  // wrangler's own: a version of ours would bring a second workerd.
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

/** What `look` gives as soon as it throws no more, looking every few milliseconds; after `ms` its own error. Works in hooks, too. */
export async function until<T>(look: () => T | Promise<T>, ms = 5_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(20);
    }
  }
}

async function exchange(url: URL, { method, headers = {}, body }: Asking): Promise<Got> {
  const json = typeof body === "object" && !(body instanceof Uint8Array);
  const raw = json ? JSON.stringify(body) : (body ?? "");
  const began = performance.now();
  return await new Promise<Got>((resolve, reject) => {
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
            broke: !response.complete,
            ms: performance.now() - began,
          }),
        );
      },
    );
    request.on("error", reject);
    request.end(raw);
  });
}

/** The body as JSON; every answer in JSON must say so. */
export function json(got: Got): Record<string, unknown> {
  expect(got.headers["content-type"]).toMatch(/^application\/json/);
  return JSON.parse(got.text) as Record<string, unknown>;
}

/** The envelope of contract section 8, whole: five strings, the id that is in the header, and no body from elsewhere. */
export function errorOf(got: Got): { message: string; type: string; code: string; param: string; request_id: string } {
  expect(got.status).toBeGreaterThanOrEqual(400);
  return envelope(json(got), got);
}

function envelope(body: Record<string, unknown>, got: Got): ReturnType<typeof errorOf> {
  const text = expect.any(String) as string;
  const error = { message: text, type: text, code: text, param: text, request_id: got.headers["x-request-id"] };
  expect(body).toEqual({ error });
  expect(got.headers["cache-control"]).toBe("no-store");
  return body["error"] as ReturnType<typeof errorOf>;
}

/** The events of a stream, which is checked against contract section 2 as a whole: ids, order, one end, deltas that join to `done`. */
export function eventsOf(got: Got): ServerSentEvent[] {
  expect([got.status, got.headers["content-type"], got.broke]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
    false,
  ]);
  const events = parseEvents(got.text);
  const [run] = (events[0]?.id ?? "").split("-");
  expect(run).toMatch(/^\w+$/);
  expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => `${run}-${index}`));
  const names = events.map(({ event }) => event);
  expect(names.filter((name) => name === "done" || name === "error")).toHaveLength(1);
  const last = events.at(-1);
  expect(["done", "error"]).toContain(last?.event);
  expect(names.indexOf("start")).toBe(last?.event === "error" && events.length === 1 ? -1 : 0);
  expect(names.lastIndexOf("start")).toBeLessThan(1);
  const said = (name: string): string =>
    events.map(({ event, data }) => (event === name ? String(data["delta"]) : "")).join("");
  if (last?.event === "done") {
    expect(said("text")).toBe(last.data["text"]);
    expect(said("refusal")).toBe(last.data["refusal"] ?? "");
    expect(said("reasoning")).toBe(last.data["reasoning_summary"] ?? "");
    expect(events.flatMap(({ event, data }) => (event === "tool_call" ? [data] : []))).toEqual(
      last.data["tool_calls"] ?? [],
    );
  } else if (last !== undefined) envelope(last.data, got);
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

/** What `done` says, or the code of `error`. */
export function endOf(events: readonly ServerSentEvent[]): Record<string, unknown> {
  return (events.at(-1)?.data["error"] as Record<string, unknown> | undefined) ?? events.at(-1)?.data ?? {};
}

/** @param keys all parts of what is secret in itself */
function assertSecret(
  keys: readonly string[],
  seen: readonly Part[],
  logs: readonly string[],
  kv: ReadonlyMap<string, string>,
  objects: string,
): void {
  const words = [...keys, PROMPT, OWNER];
  for (const got of seen) {
    const head = JSON.stringify([got.status, got.headers]);
    assertNone(`${head}${errorTexts(got)}`, words);
    assertNone(got.text, keys);
  }
  for (const line of logs) assertNone(line, words);
  for (const [key, value] of kv) {
    assertNone(key, words);
    assertNone(value, [...keys, OWNER]);
  }
  // What is asked stands in a job's record, as it does in a turn.
  assertNone(objects, [...keys, OWNER]);
}

/** As much of an answer as its reader saw. */
type Part = Pick<Got, "status" | "headers" | "text">;

function partOf(pieces: readonly Buffer[]): Part {
  return partIn(Buffer.concat(pieces).toString("latin1"));
}

/** The answer on a raw connection, up to where its reader left: without the framing of chunks, which could cut a secret in two. */
export function partIn(raw: string): Part {
  const [head = "", ...rest] = raw.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  const chunked = /^transfer-encoding: *chunked$/im.test(head);
  return { status: Number(head.split(" ")[1] ?? 0), headers: { head }, text: chunked ? unchunked(body) : body };
}

/** The data of a chunked body (RFC 9112, section 7.1), the last chunk cut where the reader left. */
function unchunked(body: string): string {
  const [line = "", size = "0"] = /^([\da-f]+)\r\n/i.exec(body) ?? [];
  const end = line.length + Number.parseInt(size, 16);
  return end === line.length ? "" : body.slice(line.length, end) + unchunked(body.slice(end + "\r\n".length));
}

function errorTexts(got: Part): string {
  if (got.status >= 400) return got.text;
  return got.text
    .split(/\n\n/)
    .filter((frame) => /^event: error$/m.test(frame))
    .join("\n");
}

/** All parts of eight characters: each is looked for. */
function windows(secret: string): string[] {
  return Array.from({ length: secret.length - WINDOW + 1 }, (_, at) => secret.slice(at, at + WINDOW));
}

function assertNone(text: string, words: readonly string[]): void {
  for (const word of words) {
    const at = text.indexOf(word);
    if (at !== -1) expect.fail(`${JSON.stringify(word)} stands in ${text.slice(Math.max(0, at - 1_000), at + 1_000)}`);
  }
}
