// The promises of the README over real HTTP against the production bundle: every form of request and answer, follow-ups, the cache, errors.
import type { Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import {
  endOf,
  errorOf,
  eventsOf,
  type HttpResponse,
  json,
  OTHER_SERVER_KEY,
  PROMPT,
  SERVER_KEY,
  startWorker,
  until,
  UPSTREAM_KEY,
  type Worker,
} from "./worker.ts";

let emulator: Emulator;
let worker: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(`${emulator.url}/v1/`);
});
afterAll(async () => {
  await worker.stop();
  await emulator.close();
});
beforeEach(() => emulator.clear());

const CURL = { "content-type": "application/x-www-form-urlencoded", "user-agent": "curl/8.5.0", accept: "*/*" };
const answerTo = (word: string): string => `You said: "${PROMPT} ${word}".`;
const upstreamBody = (): unknown => emulator.received.at(-1)?.body;

/** The four forms of an answer: the headers and fields that select it, and how to read its text and id. */
const FORMS: Record<
  string,
  { headers: Record<string, string>; fields: object; read: (response: HttpResponse) => { text: unknown; id: unknown } }
> = {
  JSON: { headers: {}, fields: {}, read: (response) => ({ text: json(response)["text"], id: json(response)["id"] }) },
  text: {
    headers: { accept: "text/plain" },
    fields: {},
    read: (response) => ({ text: response.text, id: response.headers["x-response-id"] }),
  },
  "event stream": {
    headers: {},
    fields: { stream: true },
    read: (response) => ({ text: endOf(eventsOf(response))["text"], id: endOf(eventsOf(response))["id"] }),
  },
  "text stream": {
    headers: { accept: "text/plain" },
    fields: { stream: true },
    read: (response) => ({ text: response.text, id: response.headers["x-response-id"] }),
  },
};
const NAMES = Object.keys(FORMS);

async function askIn(form: string, body: object): Promise<{ text: unknown; id: string; response: HttpResponse }> {
  const { headers, fields, read } = FORMS[form] ?? expect.fail(form);
  const response = await worker.ask({ ...body, ...fields }, headers);
  expect([response.status, response.broken]).toEqual([200, false]);
  const { text, id } = read(response);
  return { text, id: String(id), response };
}

describe("a question", () => {
  test("with a 64-bit integer reaches UniAPI as it was sent; a multipart form delivers its image", async () => {
    const tools = '[{"type":"function","name":"f","parameters":{"type":"object","maximum":9223372036854775807}}]';
    const body = `{"model":"gpt-6-luna","input":"${PROMPT} long","tools":${tools}}`;
    const headers = { "content-type": "application/json, application/json" };
    expect((await worker.send("/v1//responses/", { method: "POST", body, headers })).status).toBe(200);
    expect(emulator.received.at(-1)?.raw).toContain('"maximum":9223372036854775807');

    const form = new FormData();
    form.append("input", `${PROMPT} form`);
    form.append("photo", new File([Uint8Array.of(0x89, 0x50)], "a.png", { type: "image/png" }));
    const request = new Response(form);
    const type = request.headers.get("content-type") ?? "";
    const bytes = new Uint8Array(await request.arrayBuffer());
    const answer = await worker.send("/ask/", { method: "POST", body: bytes, headers: { "content-type": type } });
    expect(json(answer)["text"]).toBe(`${answerTo("form")} Images: 1.`);
    expect(emulator.received.at(-1)?.raw).toContain('"image_url":"data:image/png;base64,iVA="');
  });

  test("curl -d 'hi' gets exactly the trimmed answer", async () => {
    const response = await worker.send("/ask", { method: "POST", body: "hi", headers: CURL });
    expect(response.status).toBe(200);
    expect(json(response)).toEqual({
      id: expect.stringMatching(/^resp_ue1_[\w-]{1,247}$/),
      previous_response_id: null,
      created_at: expect.any(Number),
      model: "emulator/gpt-6-luna",
      status: "completed",
      text: 'You said: "hi".',
      usage: { input_tokens: 1, cached_tokens: 0, output_tokens: 4, reasoning_tokens: 0, total_tokens: 5 },
    });
    expect(response.headers).toMatchObject({
      "cache-control": "no-store",
      "cache-status": "uniapi-edge; fwd=miss; stored",
      "x-request-id": expect.stringMatching(/^req_[\da-f]{24}$/),
      "x-content-type-options": "nosniff",
    });
    expect(upstreamBody()).toEqual({ model: "gpt-6-luna", input: "hi", stream: false });
  });

  test.each([
    ["plain text", { body: `${PROMPT} one`, headers: { "content-type": "text/plain;charset=UTF-8" } }],
    ["no content type", { body: `${PROMPT} one` }],
    ["curl's -d with JSON", { body: `{"input":"${PROMPT} one"}`, headers: CURL }],
    ["a form", { body: `input=${PROMPT}+one&temperature=0.5`, headers: CURL }],
    ["JSON", { body: { input: `${PROMPT} one` } }],
    ["messages", { body: { input: [{ role: "user", content: `${PROMPT} one` }] } }],
  ])("%s is accepted", async (_name, request) => {
    const response = await worker.send("/ask", { method: "POST", ...request });
    expect([response.status, json(response)["text"]]).toEqual([200, answerTo("one")]);
  });

  test("each server key is a separate caller, and only the upstream key is sent upstream", async () => {
    const response = await worker.ask({ input: `${PROMPT} keyed` }, { authorization: `Bearer ${SERVER_KEY}` });
    expect(json(response)["text"]).toBe(answerTo("keyed"));
    expect(emulator.received[0]?.headers).toMatchObject({ authorization: `Bearer ${UPSTREAM_KEY}` });
    const other = await worker.ask({ input: `${PROMPT} keyed` }, { authorization: `Bearer ${OTHER_SERVER_KEY}` });
    expect(other.headers["cache-status"]).toBe("uniapi-edge; fwd=miss; stored");
    const stranger = await worker.send(`/ask/${String(json(response)["id"])}`, {
      headers: { authorization: `Bearer ${OTHER_SERVER_KEY}` },
    });
    expect([stranger.status, errorOf(stranger).code]).toEqual([404, "response_not_found"]);
    const followed = await worker.ask(
      { input: "x", previous_response_id: json(response)["id"] },
      { authorization: `Bearer ${OTHER_SERVER_KEY}` },
    );
    expect([followed.status, errorOf(followed).code, errorOf(followed).param]).toEqual([
      400,
      "previous_response_not_found",
      "previous_response_id",
    ]);
    expect(emulator.calls()).toBe(2);
  });

  test("the caller's headers are not forwarded upstream", async () => {
    await worker.ask(
      { input: `${PROMPT} headers` },
      {
        cookie: "session=1",
        "x-forwarded-for": "192.0.2.7",
        "openai-organization": "org-x",
        referer: "http://localhost/secret",
      },
    );
    const { headers = {} } = emulator.received[0] ?? {};
    for (const name of ["cookie", "openai-organization", "referer", "x-forwarded-for"])
      expect(headers).not.toHaveProperty(name);
    expect(headers).toMatchObject({ "content-type": "application/json", "user-agent": "uniapi-edge" });
  });
});

describe("streams", () => {
  test('"stream": true gives start, the text in pieces, and done with the complete answer', async () => {
    const response = await worker.ask({ input: `${PROMPT} flow`, stream: true });
    const events = eventsOf(response);
    expect(events.map(({ event }) => event)).toEqual(["start", "text", "text", "text", "text", "done"]);
    expect(events[0]?.data).toEqual({ request_id: response.headers["x-request-id"], model: "emulator/gpt-6-luna" });
    expect(endOf(events)).toEqual({
      id: expect.stringMatching(/^resp_ue1_/),
      previous_response_id: null,
      created_at: expect.any(Number),
      model: "emulator/gpt-6-luna",
      status: "completed",
      text: answerTo("flow"),
      usage: expect.objectContaining({ total_tokens: expect.any(Number) }),
    });
    expect(response.headers).toMatchObject({ "cache-status": "uniapi-edge; fwd=miss", "cache-control": "no-store" });
    await untilStored(String(endOf(events)["id"]));
    const stored = await worker.send(`/ask/${String(endOf(events)["id"])}`);
    expect(json(stored)).toEqual(endOf(events));
  });

  test.each([
    ["Accept: text/event-stream", "/ask", { accept: "text/event-stream" }],
    ["?stream=true", "/ask?stream=true", {}],
  ])("%s gives the same events", async (_name, path, headers) => {
    const response = await worker.send(path, { body: { input: `${PROMPT} same ${path}` }, headers });
    expect(endOf(eventsOf(response))["text"]).toBe(answerTo(`same ${path}`));
  });

  test("the first text is sent before upstream has finished", async () => {
    const socket = await worker.open(
      { input: `${PROMPT} early`, model: "emulate/slow/150", stream: true },
      {},
      (text) => text.includes("event: text"),
    );
    expect(emulator.received[0]?.ended).toBe("open");
    socket.resetAndDestroy();
  });

  test("Accept: text/plain with stream gives only the text, the id in a header, and the answer is stored under that id", async () => {
    const { response, text, id } = await askIn("text stream", { input: `${PROMPT} bare` });
    expect(response.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(text).toBe(answerTo("bare"));
    await untilStored(id);
    expect(json(await worker.send(`/ask/${id}`))).toMatchObject({ id, text: answerTo("bare") });
  });
});

describe("follow-ups and exact repeats", () => {
  test.each(NAMES)(
    "as %s, a follow-up knows the earlier turn, its exact repeat is a cache hit in every form, and a different one is a miss",
    async (form) => {
      const root = await askIn(form, { input: `${PROMPT} alice ${form}` });
      expect(root.text).toBe(answerTo(`alice ${form}`));
      await untilStored(root.id);
      const body = { input: `${PROMPT} who`, previous_response_id: root.id };
      const first = await askIn(form, body);
      expect(first.text).toBe(`Turn 2. ${answerTo("who")} Before that you said: "${PROMPT} alice ${form}".`);
      expect(first.response.headers["x-continuity"]).toBe("upstream");
      await untilStored(first.id);
      await untilCached(root.id);
      const calls = emulator.calls();
      for (const again of NAMES) {
        const hit = await askIn(again, body);
        expect([again, hit.text, hit.id]).toEqual([again, first.text, first.id]);
        expect(hit.response.headers["cache-status"]).toMatch(/^uniapi-edge; hit; ttl=(3600|359\d)$/);
        expect(hit.response.headers["age"]).toMatch(/^\d$/);
        expect(await worker.logOf(hit.response)).toMatchObject({
          status: 200,
          cache: "hit",
          first_ms: expect.any(Number),
        });
      }
      expect(emulator.calls()).toBe(calls);
      const other = await askIn(form, { ...body, input: `${PROMPT} who else` });
      expect(other.text).toContain(answerTo("who else"));
      expect(other.response.headers["cache-status"]).toMatch(/^uniapi-edge; fwd=miss/);
      expect(emulator.calls()).toBe(calls + 1);
    },
  );

  test("a cached answer is marked as cached, and the same input without the parent is a different request", async () => {
    const root = await askIn("JSON", { input: `${PROMPT} bob` });
    const body = { input: `${PROMPT} same words`, previous_response_id: root.id };
    const first = json((await askIn("JSON", body)).response);
    await untilCached(root.id);
    expect(json((await askIn("JSON", body)).response)).toEqual({ ...first, cached: true });
    expect(endOf(eventsOf((await askIn("event stream", body)).response))).toEqual({ ...first, cached: true });
    const orphan = await askIn("JSON", { input: `${PROMPT} same words` });
    expect([orphan.text, orphan.response.headers["cache-status"]]).toEqual([
      answerTo("same words"),
      "uniapi-edge; fwd=miss; stored",
    ]);
    const sibling = await askIn("JSON", { input: `${PROMPT} carol` });
    const cousin = await askIn("JSON", { ...body, previous_response_id: sibling.id });
    expect(cousin.text).toContain(`"${PROMPT} carol"`);
  });

  test("cache: false, cache: refresh and Cache-Control are respected", async () => {
    const body = { input: `${PROMPT} dave` };
    const status = async (fields: object, headers: Record<string, string> = {}): Promise<string | undefined> =>
      (await worker.ask({ ...body, ...fields }, headers)).headers["cache-status"];
    expect(await status({})).toMatch(/miss/);
    await until(async () => expect(await status({})).toMatch(/hit/));
    emulator.clear();
    expect(await status({ cache: false })).toBe("uniapi-edge; fwd=bypass");
    expect(await status({ cache: "refresh" })).toBe("uniapi-edge; fwd=request; stored");
    expect(await status({}, { "cache-control": "no-store" })).toBe("uniapi-edge; fwd=bypass");
    expect(await status({}, { "cache-control": "no-cache" })).toBe("uniapi-edge; fwd=request; stored");
    expect(emulator.calls()).toBe(4);
  });

  test("a text stream is not compressed for a browser, since it would arrive in one piece", async () => {
    const browser = { accept: "text/plain", "accept-encoding": "gzip, deflate, br, zstd" };
    const response = await worker.ask({ input: `${PROMPT} streamed`, stream: true }, browser);
    expect(response.text).toBe(answerTo("streamed"));
    expect(response.headers["content-encoding"]).toBe("identity");
  });

  test("GET by id returns a turn, and ?thread=true the turns from the root", async () => {
    const one = await askIn("JSON", { input: `${PROMPT} first` });
    const two = await askIn("event stream", { input: `${PROMPT} second`, previous_response_id: one.id });
    const three = await askIn("text", { input: `${PROMPT} third`, previous_response_id: two.id });
    await untilStored(three.id);
    const asJson = async (path: string): Promise<Record<string, unknown>> => json(await worker.send(path));
    expect(await asJson(`/ask/${one.id}`)).toEqual(json(one.response));
    expect(await asJson(`/ask/${two.id}`)).toEqual(endOf(eventsOf(two.response)));
    const { turns } = await asJson(`/ask/${three.id}?thread=true`);
    expect(turns).toEqual([
      { input: `${PROMPT} first`, answer: json(one.response) },
      { input: `${PROMPT} second`, answer: endOf(eventsOf(two.response)) },
      { input: `${PROMPT} third`, answer: await asJson(`/ask/${three.id}`) },
    ]);
    const text = await worker.send(`/ask/${three.id}`, { headers: { accept: "text/plain" } });
    expect([text.text, text.headers["x-response-id"], text.headers["x-response-status"]]).toEqual([
      three.text,
      three.id,
      "completed",
    ]);
    const head = await worker.send(`/ask/${three.id}`, { method: "HEAD" });
    expect([head.status, head.text]).toEqual([200, ""]);
  });
});

describe("refusals", () => {
  test.each<[string, number, string, string, string, Parameters<Worker["send"]>[1]]>([
    ["an unknown path", 404, "not_found", "", "/nothing/here", {}],
    ["a prompt in the path", 404, "not_found", "", `/${PROMPT}%20tell%20me`, {}],
    ["GET /ask", 405, "method_not_allowed", "", "/ask", {}],
    ["DELETE /ask", 405, "method_not_allowed", "", "/ask", { method: "DELETE" }],
    ["POST to an id", 405, "method_not_allowed", "", "/ask/resp_x", { body: "hi" }],
    ["an invalid id", 404, "response_not_found", "id", "/ask/resp_x", {}],
    ["a forged id", 404, "response_not_found", "id", `/ask/resp_ue1_${"A".repeat(60)}`, {}],
    ["no body", 400, "invalid_request", "input", "/ask", { method: "POST" }],
    [
      "broken JSON",
      400,
      "invalid_json",
      "",
      "/ask",
      { body: `{"input":"${PROMPT}`, headers: { "content-type": "application/json" } },
    ],
    [
      "JSON that is not an object",
      400,
      "invalid_request",
      "",
      "/ask",
      { body: "[]", headers: { "content-type": "application/json" } },
    ],
    ["an unknown field", 400, "unknown_parameter", "inputt", "/ask", { body: { input: PROMPT, inputt: PROMPT } }],
    [
      "a field that stores state in upstream's account",
      400,
      "unknown_parameter",
      "background",
      "/ask",
      { body: { input: PROMPT, background: true } },
    ],
    ["a wrong type", 400, "invalid_request", "temperature", "/ask", { body: { input: PROMPT, temperature: PROMPT } }],
    [
      "a forged parent",
      400,
      "previous_response_not_found",
      "previous_response_id",
      "/ask",
      {
        body: { input: PROMPT, previous_response_id: `resp_ue1_${"A".repeat(60)}` },
      },
    ],
    [
      "JSON nested too deeply",
      400,
      "input_too_deep",
      "",
      "/ask",
      { body: `{"input":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, headers: { "content-type": "application/json" } },
    ],
    ["bytes that aren't UTF-8", 400, "invalid_request", "", "/ask", { body: Buffer.from([0x68, 0xff]) }],
    [
      "an encoded body",
      415,
      "unsupported_media_type",
      "",
      "/ask",
      { body: "x", headers: { "content-encoding": "gzip" } },
    ],
    [
      "an image as the body",
      415,
      "unsupported_media_type",
      "",
      "/ask",
      { body: "x", headers: { "content-type": "image/png" } },
    ],
    [
      "a charset other than UTF-8",
      415,
      "unsupported_media_type",
      "",
      "/ask",
      { body: "x", headers: { "content-type": "text/plain; charset=utf-16" } },
    ],
    [
      "an unknown key",
      401,
      "invalid_credentials",
      "",
      "/ask",
      { body: PROMPT, headers: { authorization: "Bearer sk_nobodyknowsthis" } },
    ],
    [
      "the upstream key as credential",
      401,
      "invalid_credentials",
      "",
      "/ask",
      { body: PROMPT, headers: { authorization: `Bearer ${UPSTREAM_KEY}` } },
    ],
    [
      "a server key in a browser",
      401,
      "invalid_credentials",
      "",
      "/ask",
      {
        body: PROMPT,
        headers: { authorization: `Bearer ${SERVER_KEY}`, origin: "https://evil.example" },
      },
    ],
    [
      "a page of another origin",
      403,
      "origin_not_allowed",
      "",
      "/ask",
      { body: PROMPT, headers: { origin: "https://evil.example" } },
    ],
    ["a sandboxed page", 403, "origin_not_allowed", "", "/ask", { body: PROMPT, headers: { origin: "null" } }],
  ])("%s: refused", async (_name, status, code, param, path, request) => {
    const response = await worker.send(path, request);
    const error = errorOf(response);
    expect([response.status, error.code, error.param]).toEqual([status, code, param]);
    expect(response.headers["allow"]).toBe(status === 405 ? (path === "/ask" ? "POST" : "GET, HEAD") : undefined);
    expect(response.headers["www-authenticate"]).toBe(status === 401 ? "Bearer" : undefined);
    expect(emulator.calls()).toBe(0);
    const route = path.startsWith("/ask/") ? "/ask/{id}" : path === "/ask" ? "/ask" : "/*";
    expect(await worker.logOf(response)).toMatchObject({
      status,
      code,
      route: expect.stringMatching(`^[A-Z]+ ${route.replace("*", "\\*")}$`),
    });
  });

  test("every invalid id gets the same refusal", async () => {
    const { id } = await askIn("JSON", { input: `${PROMPT} mine` });
    const changed = id.slice(0, -2) + (id.endsWith("AA") ? "BB" : "AA");
    const answers = await Promise.all(
      ["resp_x", id.slice(0, -4), changed, `${id}A`].map((each) => worker.send(`/ask/${each}`)),
    );
    expect(new Set(answers.map((response) => `${response.status} ${errorOf(response).message}`)).size).toBe(1);
  });

  test("the responses to HEAD of an unknown path and of /health have no body", async () => {
    const heads = await Promise.all(["/nothing", "/health"].map((path) => worker.send(path, { method: "HEAD" })));
    expect(heads.map(({ status, text }) => [status, text])).toEqual([
      [404, ""],
      [200, ""],
    ]);
  });

  // workerd closes a connection whose body nobody reads. If the whole body were sent, it would race with the response.
  test("a body whose Content-Length is too large is refused before it is sent", async () => {
    const socket = await worker.open({}, { "content-length": String(3 * 1_048_576 + 1) });
    expect(await readRaw(socket)).toMatch(/^HTTP\/1\.1 413 [^]*"code":"payload_too_large"/);
  });

  test("a body that doesn't arrive in time is refused", async () => {
    const impatient = await startWorker(emulator.url, { DEADLINES: '{"body":200}' });
    try {
      const answer = await readRaw(await impatient.open({}, { "content-length": "100" }));
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);
      expect(answer).toMatch(/x-should-retry: false/i);
    } finally {
      await impatient.stop();
    }
  });
});

/** Waits until a turn is stored, which happens after the answer is sent. */
async function untilStored(id: string): Promise<void> {
  await until(async () =>
    expect((await worker.kvKeys()).filter((key) => key.startsWith("turn:") && key.endsWith(`:${id}`))).toHaveLength(1),
  );
}

/** Waits until the answer to a follow-up of `parent` is cached. */
async function untilCached(parent: string): Promise<void> {
  await until(async () =>
    expect(
      (await worker.kvKeys()).filter((key) => key.startsWith("answer:") && key.includes(`:${parent}:`)),
    ).not.toHaveLength(0),
  );
}

/** Reads the complete response on a raw connection. */
async function readRaw(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (piece: Buffer) => (text += piece.toString()));
  await until(() => expect(text).toMatch(/\r\n\r\n\{.*\}$/));
  socket.destroy();
  return text;
}
