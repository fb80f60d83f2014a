// /v1/responses over HTTP: ids of other callers, the forwarded request, and responses by id.
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { isSignedId, signId } from "../../src/core/callers/ids.ts";
import {
  as,
  calls,
  eachTestAlone,
  EVENTS,
  type HeaderTable,
  idKeys,
  KEYS,
  kvKeys,
  uniqueText,
  receivedRequests,
  SERVER_KEYS,
  startWorker,
  TEXT,
} from "./worker.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { ownerOf } from "../../src/core/callers/owner.ts";

const log = eachTestAlone();

type Json = Record<string, unknown>;

async function post(worker: ReturnType<typeof startWorker>, body: Json, headers: HeaderTable = {}): Promise<Response> {
  const response = await worker.send("/v1/responses", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  if (body["stream"] !== true) await worker.settled();
  return response;
}

async function object(response: Response): Promise<Json> {
  expect(response.status).toBe(200);
  return response.json();
}

/** A response without the parts that differ per request. */
async function comparable(response: Response): Promise<{ status: number; text: string; shouldRetry: string | null }> {
  const text = (await response.text()).replaceAll(/req_[0-9a-f]+/g, "req_…");
  return { status: response.status, text, shouldRetry: response.headers.get("x-should-retry") };
}

const twoCallers = (): ReturnType<typeof startWorker> => startWorker({}, { SERVER_KEYS });

describe("an id of another caller", () => {
  const BY_ID: [string, RequestInit][] = [
    ["/ask/ID", {}],
    ["/ask/ID?thread=true", {}],
    ["/ask/ID", { headers: TEXT }],
    ["/v1/responses/ID", {}],
    ["/responses/ID", {}],
    ["/v1/responses/ID/input_items", {}],
    ["/v1/responses/ID", { method: "DELETE" }],
    ["/responses/ID", { method: "DELETE" }],
  ];

  test("gets the same response as an id that never existed, on every route, and deletes nothing", async () => {
    const worker = twoCallers();
    const { id } = (await object(await post(worker, { input: uniqueText() }, as(KEYS.alice)))) as { id: string };
    const never = await signId(await idKeys(), await ownerOf(await idKeys(), "server:nobody"), {
      kind: "upstream",
      isStored: true,
      turn: 1,
      minute: 29_000_000,
      nonce: 7,
      value: "resp_x",
    });
    for (const [path, init] of BY_ID) {
      const ask = async (target: string): Promise<object> =>
        comparable(
          await worker.send(path.replace("ID", target), {
            ...init,
            headers: { ...(init.headers as HeaderTable), ...as(KEYS.bob) },
          }),
        );
      const foreign = await ask(id);
      expect(foreign, path).toMatchObject({
        status: 404,
        text: expect.stringContaining("response_not_found") as string,
      });
      for (const other of [never, `${id.slice(0, -3)}AAA`, id.slice(0, 60), "resp_unheard_of", "resp_ue1_"])
        expect(await ask(other), path).toEqual(foreign);
    }
    expect((await worker.send(`/v1/responses/${id}`, { headers: as(KEYS.alice) })).status).toBe(200);
  });

  test("is refused as a parent like an id that never existed, in every form, without an upstream call", async () => {
    const worker = twoCallers();
    const { id } = (await object(await post(worker, { input: uniqueText() }, as(KEYS.alice)))) as { id: string };
    const input = uniqueText();
    const forms: ((previous_response_id: string) => Promise<Response>)[] = [
      (previous_response_id) => post(worker, { input, previous_response_id }, as(KEYS.bob)),
      (previous_response_id) => post(worker, { input, previous_response_id, stream: true }, as(KEYS.bob)),
      (previous_response_id) => worker.ask({ input, previous_response_id }, as(KEYS.bob)),
      (previous_response_id) => worker.ask({ input, previous_response_id }, { ...as(KEYS.bob), ...EVENTS }),
      (previous_response_id) => worker.ask({ input, previous_response_id, stream: true }, { ...as(KEYS.bob), ...TEXT }),
    ];
    for (const form of forms) {
      const foreign = await comparable(await form(id));
      expect(foreign).toMatchObject({
        status: 400,
        text: expect.stringContaining("previous_response_not_found") as string,
      });
      expect(await comparable(await form(`${id.slice(0, -3)}AAA`))).toEqual(foreign);
    }
    expect(await calls(input)).toBe(0);
  });
});

describe("streams and response objects contain", () => {
  test("no upstream id and no instructions of a preset, in any event", async () => {
    const worker = startWorker({ presets: { helper: { model: "gpt-6-sol", instructions: "the hidden words" } } });
    const first = (await object(await post(worker, { model: "helper", input: uniqueText() }))) as { id: string };
    const response = await post(worker, {
      model: "helper",
      input: uniqueText(),
      previous_response_id: first.id,
      stream: true,
    });
    const text = await response.text();
    expect(text).not.toMatch(/"resp_(?!ue1_)/);
    expect(text).not.toContain("hidden words");
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(JSON.stringify(first)).not.toMatch(/hidden words|"resp_(?!ue1_)/);
  });

  test("the caller's own instructions", async () => {
    const result = await object(await post(startWorker(), { input: uniqueText(), instructions: "be brief" }));
    expect(result["instructions"]).toBe("be brief");
  });

  test("one id from the first event to the last, which can be continued, even if upstream changes its own", async () => {
    const worker = startWorker();
    const first = uniqueText();
    const text = await (await post(worker, { model: "emulate/id-changes", input: first, stream: true })).text();
    const ids = [...text.matchAll(/"response":\{"id":"([^"]+)"/g)].map(([, id]) => id ?? "");
    expect(ids.length).toBeGreaterThan(2);
    expect(new Set(ids).size).toBe(1);
    expect(ids.every(isSignedId)).toBe(true);
    const next = await object(await post(worker, { input: uniqueText(), previous_response_id: ids[0] }));
    expect(next["output_text"]).toContain(first);
  });
});

describe("the request", () => {
  test("is forwarded unchanged, including unknown and identity fields; only the model has a default, and nothing is clamped", async () => {
    const worker = startWorker({
      limits: { max_output_tokens: 20 },
      defaults: { model: "gpt-6-luna", temperature: 0.5 },
    });
    const input = uniqueText();
    const extra = {
      user: "u1",
      safety_identifier: "s1",
      prompt_cache_key: "k1",
      brand_new: { deep: [1] },
      max_output_tokens: 100,
      tools: [],
    };
    await object(await post(worker, { input, ...extra, background: false, prompt: null }));
    const [call] = await receivedRequests(input);
    expect(call?.body).toEqual({
      input,
      ...extra,
      background: false,
      prompt: null,
      model: "gpt-6-luna",
      stream: false,
    });
  });

  test("is clamped by limits.server", async () => {
    const worker = startWorker({ limits: { server: { max_output_tokens: 50 } } });
    const input = uniqueText();
    await object(await post(worker, { input, max_output_tokens: 100 }));
    expect((await receivedRequests(input))[0]?.body["max_output_tokens"]).toBe(50);
  });

  test.each([{ background: true }, { conversation: "conv_1" }, { prompt: { id: "p" } }])(
    "with %j is refused, because it would store state in the shared account",
    async (field) => {
      const response = await post(startWorker(), { input: uniqueText(), ...field });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("unknown_parameter");
    },
  );

  test("gets an error without upstream's text for a response that failed before any output, which is not stored", async () => {
    const response = await post(startWorker(), { model: "emulate/failed", input: uniqueText() });
    expect(response.status).toBe(502);
    expect(await response.text()).not.toContain("failed to generate");
    expect(await kvKeys("turn:")).toEqual([]);
  });

  test("uses the cache only if the request or the config enables the cache", async () => {
    const worker = startWorker();
    const input = uniqueText();
    for (let n = 0; n < 2; n += 1)
      expect((await post(worker, { input })).headers.get("cache-status")).toBe("uniapi-edge; fwd=bypass");
    const cacheHeaders = { "cache-control": "max-age=60" };
    expect((await post(worker, { input }, cacheHeaders)).headers.get("cache-status")).toBe(
      "uniapi-edge; fwd=miss; stored",
    );
    expect((await post(worker, { input }, cacheHeaders)).headers.get("cache-status")).toMatch(/hit; ttl=/);
    expect(await calls(input)).toBe(3);
  });

  test("gets a 429 without a retry, because SDKs retry", async () => {
    const input = uniqueText();
    const response = await post(startWorker(), { model: "emulate/429-retry-after/1", input });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await calls(input)).toBe(1);
  });
});

describe("GET, input_items, DELETE", () => {
  test("return and delete a stored turn", async () => {
    const worker = startWorker();
    const input = [
      { role: "user", content: uniqueText("first") },
      { role: "user", content: uniqueText("second") },
    ];
    const turn = (await object(await post(worker, { input, metadata: { a: "b" } }))) as {
      id: string;
      output_text: string;
    };
    const result = await object(await worker.get(`/v1/responses/${turn.id}`));
    expect(result).toMatchObject({
      id: turn.id,
      object: "response",
      output_text: turn.output_text,
      metadata: { a: "b" },
      status: "completed",
    });
    const items = (await object(await worker.get(`/v1/responses/${turn.id}/input_items?order=asc&limit=1`))) as {
      data: Json[];
      has_more: boolean;
      last_id: string;
    };
    expect(items).toMatchObject({
      object: "list",
      has_more: true,
      data: [{ role: "user", content: [{ type: "input_text", text: input[0]?.content }] }],
    });
    const rest = (await object(
      await worker.get(`/v1/responses/${turn.id}/input_items?order=asc&after=${items.last_id}`),
    )) as {
      data: Json[];
    };
    expect(rest).toMatchObject({ has_more: false, data: [{ content: [{ text: input[1]?.content }] }] });
    const deleted = await object(await worker.send(`/v1/responses/${turn.id}`, { method: "DELETE" }));
    expect(deleted).toEqual({ id: turn.id, object: "response", deleted: true });
    expect((await worker.get(`/v1/responses/${turn.id}`)).status).toBe(404);
    expect((await worker.get(`/ask/${turn.id}`)).status).toBe(404);
  });

  test("paging through items ends, even if the caller's own ids look like ours", async () => {
    const worker = startWorker();
    const input = [0, 1, 2].map((n) => ({ id: `item_${2 - n}`, role: "user", content: uniqueText() }));
    const { id } = (await object(
      await post(worker, { input: [...input, { role: "user", content: uniqueText() }] }),
    )) as {
      id: string;
    };
    const seen: string[] = [];
    for (let after: string | undefined, more = true; more && seen.length < 10;) {
      const query = new URLSearchParams({ limit: "1", order: "asc", ...(after === undefined ? {} : { after }) });
      const page = (await object(await worker.get(`/v1/responses/${id}/input_items?${query.toString()}`))) as {
        data: { id: string }[];
        has_more: boolean;
      };
      after = page.data[0]?.id;
      seen.push(after ?? "");
      more = page.has_more;
    }
    expect(seen).toHaveLength(4);
    expect((await worker.get(`/v1/responses/${id}/input_items?after=nothing`)).status).toBe(400);
  });

  test("GET with stream=true replays the answer as events", async () => {
    const worker = startWorker();
    const turn = (await object(await post(worker, { input: uniqueText() }))) as { id: string; output_text: string };
    const text = await (await worker.get(`/v1/responses/${turn.id}?stream=true`)).text();
    expect(text).toContain("event: response.completed");
    expect(text).toContain(JSON.stringify(turn.output_text));
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  describe("GET with starting_after", () => {
    const numbersIn = (text: string): number[] =>
      [...text.matchAll(/"sequence_number":(\d+)/g)].map(([, number]) => Number(number));

    test("returns the events after that number", async () => {
      const worker = startWorker();
      const { id } = (await object(await post(worker, { input: uniqueText() }))) as { id: string };
      const path = `/v1/responses/${id}?stream=true&include_obfuscation=false&include[]=reasoning.encrypted_content`;
      const all = await (await worker.get(path)).text();
      const frames = all.split(/(?<=\n\n)/);
      expect(frames.length).toBeGreaterThan(6);
      for (const after of [0, 3, frames.length - 3])
        expect(await (await worker.get(`${path}&starting_after=${after}`)).text()).toBe(
          frames.slice(after + 1).join(""),
        );
    });

    test("returns the whole response if the number is that of a stream with more events", async () => {
      const worker = startWorker();
      const turn = (await object(await post(worker, { input: uniqueText() }))) as { id: string; output_text: string };
      const text = await (await worker.get(`/v1/responses/${turn.id}?stream=true&starting_after=400`)).text();
      expect(text).toContain("event: response.completed");
      expect(text).toContain(JSON.stringify(turn.output_text));
      expect(numbersIn(text)).toEqual([401]);
    });

    test.each(["-1", "1.5", "x", "", "1e3", "9".repeat(20)])(
      "%j gets 400, and the error names the field",
      async (after) => {
        const worker = startWorker();
        const { id } = (await object(await post(worker, { input: uniqueText() }))) as { id: string };
        const response = await worker.get(`/v1/responses/${id}?stream=true&starting_after=${after}`);
        expect(response.status).toBe(400);
        expect(await response.json()).toMatchObject({ error: { param: "starting_after" } });
      },
    );

    test("gets 404 for an unknown id", async () => {
      expect((await startWorker().get("/v1/responses/resp_x?stream=true&starting_after=3")).status).toBe(404);
    });
  });

  test("an answer that was not stored gets 404, and its follow-up is sent to upstream, which refuses it", async () => {
    const worker = startWorker();
    const { id } = (await object(await post(worker, { input: uniqueText(), store: false }))) as { id: string };
    expect((await worker.get(`/v1/responses/${id}`)).status).toBe(404);
    const input = uniqueText();
    const response = await post(worker, { input, previous_response_id: id });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("previous_response_not_found");
    expect(await calls(input)).toBe(1);
  });

  test("a deleted turn deletes its cached answer, leaves a tombstone, and can't be continued", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const { id } = await worker.answer(body);
    expect(await kvKeys("answer:")).toHaveLength(1);
    await object(await worker.send(`/v1/responses/${id}`, { method: "DELETE" }));
    expect(await kvKeys("answer:")).toEqual([]);
    const [key] = await kvKeys("turn:");
    expect(await env.RESPONSES.get(key ?? "")).not.toContain(body.input);
    const input = uniqueText();
    for (const response of [
      await worker.ask({ input, previous_response_id: id }),
      await post(worker, { input, previous_response_id: id, store: false }),
    ]) {
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("previous_response_not_found");
    }
    expect(await calls(input)).toBe(0);
  });
});

test("GET /v1/models lists the presets and the upstream models that the config allows", async () => {
  const worker = startWorker({ models: ["gpt-6-sol"], presets: { helper: { model: "gpt-6-sol" } } });
  const { data } = (await object(await worker.get("/v1/models"))) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(["helper", "gpt-6-sol"]);
});

test("GET /v1/models includes shutdown dates, and the log warns about a model in the config that will be shut down", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-12-20T12:00:00Z") });
  const worker = startWorker({ models: ["gpt-4.1", "gpt-6-luna"] });
  const { data } = await object(await worker.get("/v1/models"));
  expect(data).toEqual([
    expect.objectContaining({ id: "gpt-6-luna", shutdown_date: null }),
    expect.objectContaining({ id: "gpt-4.1", shutdown_date: "2027-01-14" }),
  ]);
  await worker.get("/v1/models");
  expect(log.warnings().filter(({ event }) => event.startsWith("model_shutdown"))).toEqual([
    {
      level: "warn",
      event: "model_shutdown: gpt-4.1 (models) ends on 2027-01-14. Name another model in src/config.ts",
    },
  ]);
});

describe("GET /v1/models/{id}", () => {
  test("returns the model as the list has it: a preset or one of upstream's", async () => {
    const worker = startWorker({ presets: { helper: { model: "gpt-6-sol" } } });
    const { data } = (await object(await worker.get("/v1/models"))) as { data: { id: string }[] };
    // Both kinds of names, and one with a slash.
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(["helper", "gpt-6-sol", "emulate/text"]));
    for (const model of data) {
      for (const id of [model.id, encodeURIComponent(model.id)])
        expect(await object(await worker.get(`/v1/models/${id}`))).toEqual(model);
    }
  });

  test("gets OpenAI's 404 for a name that this caller can't use", async () => {
    const worker = startWorker({ models: ["gpt-6-sol"] });
    for (const id of ["gpt-6-luna", "nothing", "a/b", "%"]) {
      const response = await worker.get(`/v1/models/${id}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: "model_not_found", param: "model" } });
    }
  });

  test("needs a credential", async () => {
    const worker = twoCallers();
    expect((await worker.get("/v1/models/gpt-6-luna", as("sk_nobody_0123456789abcd"))).status).toBe(401);
    expect((await worker.get("/v1/models/gpt-6-luna", as(KEYS.alice))).status).toBe(200);
  });
});

describe("an address of another API gets a 404 that names what to use instead:", () => {
  test.each([
    ["/v1/chat/completions", "POST /v1/responses"],
    ["/chat/completions", "POST /v1/responses"],
    ["/v1/chat/completions/chatcmpl-1", "POST /v1/responses"],
    ["/v1/completions", "POST /v1/responses"],
    ["/v1/messages", "POST /v1/responses"],
    ["/v1/conversations", "previous_response_id"],
    ["/v1/conversations/conv_1/items", "previous_response_id"],
    ["/v1/assistants", "preset"],
    ["/v1/threads/thread_1", "previous_response_id"],
    ["/v1/batches", "POST /jobs"],
    ["/v1/files", "input_file"],
    ["/v1/embeddings", "UniAPI"],
    ["/v1/images/generations", "UniAPI"],
    ["/v1/responses/input_tokens", "usage"],
    ["/responses/input_tokens", "usage"],
    ["/v1/responses/compact", "previous_response_id"],
  ])("%s", async (path, instead) => {
    const worker = startWorker();
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const response = await worker.send(path, { method, ...(method === "GET" ? {} : { body: "{}" }) });
      expect(response.status).toBe(404);
      const { error } = await response.json<{ error: { code: string; message: string } }>();
      expect(error).toMatchObject({ code: "not_found", message: expect.stringContaining(instead) as string });
    }
    expect(log.requests().every(({ route }) => !String(route).includes("*"))).toBe(true);
  });

  test("but any other unknown address gets the 404 that every route has", async () => {
    for (const path of ["/v1/nothing", "/v1/filesystem", "/v1", "/embeddings-x"]) {
      const response = await startWorker().get(path);
      expect(response.status).toBe(404);
      expect(await response.text()).toContain("There is nothing at this address");
    }
  });
});

describe("GET /v1/responses", () => {
  test("with Upgrade: websocket gets 426, at which Codex changes to POST", async () => {
    for (const upgrade of ["websocket", "WebSocket"]) {
      const response = await startWorker().get("/v1/responses", { upgrade, connection: "Upgrade" });
      expect(response.status).toBe(426);
      expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining("stream") as string } });
    }
    const stranger = as("sk_nobody_0123456789abcd");
    expect((await twoCallers().get("/v1/responses", { ...stranger, upgrade: "websocket" })).status).toBe(401);
  });

  test("by id allows GET, HEAD and DELETE only", async () => {
    for (const method of ["POST", "PUT", "PATCH"]) {
      const response = await startWorker().send("/v1/responses/resp_x", { method });
      expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, DELETE"]);
    }
  });

  test.each(["GET", "HEAD", "PUT", "DELETE"])(
    "without an id or an upgrade, %s gets 405 and Allow: POST",
    async (method) => {
      const response = await startWorker().send("/v1/responses", { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("POST");
    },
  );
});

test("the routes fit Hono's fast router, whose search costs a hundredth of the other one's", () => {
  const app = createApp(defineConfig({ defaults: { model: "gpt-6-luna" } }));
  app.router.match("POST", "/v1/responses");
  expect(app.router.name).toContain("RegExpRouter");
});
