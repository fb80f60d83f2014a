// Restricted callers over HTTP: the fields, inputs and presets that they may use, and the settings that no answer shows them.
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { UPSTREAM_FIELDS } from "../../src/contract/request-fields.ts";
import { changedValueOf } from "../support/field-values.ts";
import { HIDDEN, pk, PK, PK_BOTH, PK_IMAGES, respond, startRestricted } from "./restricted.ts";
import { claimsOf, hs256, SESSION_KEYS } from "./tokens.ts";
import {
  as,
  calls,
  eachTestAlone,
  EVENTS,
  idKeys,
  KEYS,
  kvTexts,
  uniqueText,
  problemOf,
  receivedRequests,
  SERVER_KEYS,
  TEXT,
} from "./worker.ts";
import { ownerOf, deriveDigest } from "../../src/core/callers/owner.ts";

const log = eachTestAlone();

/** OpenAI's types of tools as of November 2026, and UniAPI's chat form. */
const TOOL_TYPES = [
  "function",
  "file_search",
  "web_search",
  "web_search_2025_08_26",
  "web_search_preview",
  "computer",
  "computer_use_preview",
  "mcp",
  "code_interpreter",
  "image_generation",
  "local_shell",
  "shell",
  "custom",
  "apply_patch",
  "namespace",
  "tool_search",
];

/** Fields that the preset "support" does not open. */
const CLOSED = (Object.keys(UPSTREAM_FIELDS) as (keyof typeof UPSTREAM_FIELDS)[]).filter(
  (name) => !["top_p", "metadata", "max_output_tokens"].includes(name),
);

describe("a field that a preset does not open", () => {
  test.each(CLOSED)("`%s` is refused by name on both routes, and upstream is not called", async (name) => {
    const worker = startRestricted();
    const input = uniqueText();
    const field = { [name]: changedValueOf(name) };
    const onAsk = await worker.ask({ input, ...field }, pk);
    expect([onAsk.status, await problemOf(onAsk)]).toMatchObject([400, { code: "unknown_parameter", param: name }]);
    const onResponses = await respond(worker, { model: "support", input, ...field });
    // On /v1/responses `model` names the preset.
    const code = name === "model" ? "model_not_allowed" : "unknown_parameter";
    expect([onResponses.status, await problemOf(onResponses)]).toMatchObject([400, { code, param: name }]);
    expect(await calls(input)).toBe(0);
  });

  test.each(["schema", "background", "conversation", "prompt", "foo", "__proto__x", "images"])(
    "`%s` is refused on both routes",
    async (name) => {
      const worker = startRestricted();
      const input = uniqueText();
      const value = name === "images" ? ["https://img.example.com/a.png"] : { a: 1 };
      expect((await worker.ask({ input, [name]: value }, pk)).status).toBe(400);
      expect((await respond(worker, { model: "support", input, [name]: value })).status).toBe(400);
      expect(await calls(input)).toBe(0);
    },
  );

  test.each(TOOL_TYPES)(
    "a tool of type %s is refused; a preset that allows tools opens functions only",
    async (type) => {
      const worker = startRestricted();
      const input = uniqueText();
      const tools = [{ type, server_url: "https://evil.example", name: "x" }];
      expect((await worker.ask({ input, tools }, pk)).status).toBe(400);
      expect((await respond(worker, { model: "support", input, tools })).status).toBe(400);
      const both = as(PK_BOTH);
      expect((await worker.ask({ input, preset: "other", tools }, both)).status).toBe(400);
      expect((await respond(worker, { model: "other", input, tools }, both)).status).toBe(400);
      expect(await calls(input)).toBe(0);
      const bare = [{ type, name: "x", parameters: {} }];
      expect((await worker.ask({ input, preset: "other", tools: bare }, both)).status).toBe(
        type === "function" ? 200 : 400,
      );
      await worker.settled();
    },
  );

  test("neither a number for `cache` nor a long max-age makes the Worker store an answer for longer", async () => {
    const worker = startRestricted();
    expect((await problemOf(await worker.ask({ input: uniqueText(), cache: 31_536_000 }, pk))).param).toBe("cache");
    const response = await respond(worker, { input: uniqueText() }, { ...pk, "cache-control": "max-age=31536000" });
    await response.text();
    expect(response.headers.get("cache-status")).toContain("fwd=bypass");
    await worker.settled();
  });

  test("on /v1/responses null, an empty list and a value that applies anyway are ignored", async () => {
    const worker = startRestricted();
    const input = uniqueText();
    const same = {
      temperature: 0.5,
      tools: [],
      include: [],
      instructions: null,
      user: null,
      parallel_tool_calls: true,
      truncation: "disabled",
      store: true,
      background: false,
      service_tier: "auto",
      stream: false,
      tool_choice: "auto",
    };
    expect((await respond(worker, { input, model: "support", ...same })).status).toBe(200);
    for (const wrong of [
      { temperature: 0.6 },
      { store: false },
      { truncation: "auto" },
      { user: "x" },
      { background: true },
    ]) {
      expect((await respond(worker, { input, ...wrong })).status, JSON.stringify(wrong)).toBe(400);
    }
    expect(await calls(input)).toBe(1);
    await worker.settled();
  });
});

describe("the input of a restricted caller", () => {
  const item = (fields: object): object[] => [{ role: "user", content: "x", ...fields }];
  const part = (fields: object): object[] => [{ role: "user", content: [fields] }];
  test.each<[string, unknown]>([
    ["a system role", item({ role: "system" })],
    ["a developer role", item({ role: "developer" })],
    ["no role", [{ content: "x" }]],
    ["item_reference", [{ type: "item_reference", id: "msg_1" }]],
    ["function_call_output", [{ type: "function_call_output", call_id: "c", output: "x" }]],
    ["function_call", [{ type: "function_call", call_id: "c", name: "f", arguments: "{}" }]],
    ["mcp_approval_response", [{ type: "mcp_approval_response", approval_request_id: "a", approve: true }]],
    ["compaction", [{ type: "compaction", encrypted_content: "x" }]],
    ["reasoning", [{ type: "reasoning", summary: [] }]],
    ["a typed item with a role", item({ type: "item_reference", id: "msg_1" })],
    ["an unknown key", item({ name: "system" })],
    ["input_file", part({ type: "input_file", file_id: "file-1" })],
    ["file_url", part({ type: "input_file", file_url: "https://x.example/a.pdf" })],
    ["input_audio", part({ type: "input_audio", input_audio: {} })],
    [
      "an image that the preset does not permit",
      part({ type: "input_image", image_url: "data:image/png;base64,AAAA" }),
    ],
    ["a file beside text", part({ type: "input_text", text: "x", file_id: "file-1" })],
    ["output_text of the user", part({ type: "output_text", text: "x" })],
    ["a part without text", part({ type: "input_text" })],
    ["no parts", item({ content: [] })],
  ])("%s is refused on both routes", async (_name, items) => {
    const worker = startRestricted();
    const input = uniqueText();
    const all = [{ role: "user", content: input }, ...(items as object[])];
    expect((await worker.ask({ input: all }, pk)).status).toBe(400);
    expect((await respond(worker, { input: all })).status).toBe(400);
    expect(await calls(input)).toBe(0);
  });

  test("messages of an answer that SDKs send back are accepted and rebuilt", async () => {
    const worker = startRestricted();
    const input = uniqueText();
    const outputText = { type: "output_text", text: "hello", annotations: [], logprobs: [] };
    const items = [
      {
        type: "message",
        id: "msg_1",
        status: "completed",
        role: "assistant",
        content: [outputText, { type: "refusal", refusal: "no" }],
      },
      { role: "user", content: [{ type: "input_text", text: input }] },
    ];
    expect((await worker.ask({ input: items }, pk)).status).toBe(200);
    expect((await receivedRequests(input))[0]?.body["input"]).toEqual([
      {
        role: "assistant",
        content: [
          { type: "output_text", text: "hello" },
          { type: "refusal", refusal: "no" },
        ],
      },
      { role: "user", content: [{ type: "input_text", text: input }] },
    ]);
    await worker.settled();
  });

  test.each<[string, boolean]>([
    ["data:image/png;base64,AAAA", true],
    ["https://img.example.com/a.png?b=c", true],
    ["data:image/svg+xml;base64,AAAA", false],
    ["data:text/html;base64,AAAA", false],
    ["data:image/png,AAAA", false],
    ["data:image/png;base64,AAA", false],
    [`data:image/png;base64,${"A".repeat(2_796_208)}`, false],
    ["http://img.example.com/a.png", false],
    ["https://evil.example/a.png", false],
    ["https://img.example.com:8443/a.png", false],
    ["https://img.example.com@evil.example/a.png", false],
    ["https://user@img.example.com/a.png", false],
    ["https://img.example.com.evil.example/a.png", false],
    ["file:///etc/passwd", false],
  ])("an image from %.50s is accepted: %s", async (url, accepted) => {
    const worker = startRestricted();
    const input = uniqueText();
    const headers = as(PK_IMAGES);
    const parts = [
      { type: "input_text", text: input },
      { type: "input_image", image_url: url, detail: "low" },
    ];
    const answers = [
      await worker.ask({ input, images: [url] }, headers),
      await respond(worker, { input: [{ role: "user", content: parts }] }, headers),
    ];
    expect(answers.map(({ status }) => status)).toEqual(accepted ? [200, 200] : [400, 400]);
    expect(await calls(input)).toBe(accepted ? 2 : 0);
    await worker.settled();
  });

  test("an image by file_id or with an unknown detail is refused", async () => {
    const worker = startRestricted();
    const input = uniqueText();
    for (const image of [{ file_id: "file-1" }, { image_url: "data:image/png;base64,AAAA", detail: "original" }]) {
      const content = [
        { type: "input_text", text: input },
        { type: "input_image", ...image },
      ];
      expect((await worker.ask({ input: [{ role: "user", content }] }, as(PK_IMAGES))).status).toBe(400);
    }
    expect(await calls(input)).toBe(0);
  });

  test("the cap on a body's size is the config's, or 3 MiB if a preset permits images", async () => {
    const worker = startRestricted({ limits: { max_body_bytes: 1_000 } });
    for (const [key, length, status] of [
      [pk, 900, 200],
      [pk, 1_100, 413],
      [as(PK_IMAGES), 100_000, 200],
    ] as const) {
      expect((await worker.ask({ input: "x".repeat(length) }, key)).status, `${length}`).toBe(status);
      expect((await respond(worker, { input: "x".repeat(length) }, key)).status, `${length}`).toBe(status);
    }
    await worker.settled();
  });

  test("a preset without images has the small cap, even if another preset of the key has the large one", async () => {
    const presets = { plain: {}, pictures: { images: true } };
    const worker = startRestricted({
      presets,
      limits: { max_body_bytes: 1_000 },
      callers: { publishable: [{ id: "x", key: PK_BOTH, presets: ["plain", "pictures"] }] },
    });
    const ask = (preset: string): Promise<Response> => worker.ask({ preset, input: "x".repeat(5_000) }, as(PK_BOTH));
    expect((await ask("pictures")).status).toBe(200);
    expect((await problemOf(await ask("plain"))).code).toBe("payload_too_large");
    await worker.settled();
  });
});

describe("presets and caps", () => {
  test("a preset that is not granted and one that does not exist get the same answer", async () => {
    const worker = startRestricted();
    const texts = await Promise.all(
      ["secret", "nowhere", "constructor"].map(async (name) => {
        const { message, code, param } = await problemOf(await worker.ask({ input: "x", preset: name }, as(PK_BOTH)));
        const other = await problemOf(await respond(worker, { input: "x", model: name }, as(PK_BOTH)));
        return JSON.stringify([message, code, param, other.message, other.code, other.param]);
      }),
    );
    const real = await problemOf(await respond(worker, { input: "x", model: "gpt-6-luna" }, as(PK_BOTH)));
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain(JSON.stringify(real.message));
    expect(real.code).toBe("model_not_allowed");
  });

  test("a caller with one preset need not name it, a caller with two must", async () => {
    const worker = startRestricted();
    const input = uniqueText();
    expect((await worker.ask({ input }, pk)).status).toBe(200);
    expect((await respond(worker, { input })).status).toBe(200);
    expect((await receivedRequests(input)).map(({ body }) => body["instructions"])).toEqual([HIDDEN[0], HIDDEN[0]]);
    expect((await problemOf(await worker.ask({ input: "x" }, as(PK_BOTH)))).message).toContain('"support", "other"');
    await worker.settled();
  });

  test("max_output_tokens is capped by the preset, then by the config, and always sent", async () => {
    const worker = startRestricted({ limits: { max_output_tokens: 2_000 } });
    const sentLimit = async (preset: string, requested?: number): Promise<unknown> => {
      const input = uniqueText();
      const body = requested === undefined ? {} : { max_output_tokens: requested };
      expect((await worker.ask({ input, preset, ...body }, as(PK_BOTH))).status).toBe(200);
      return (await receivedRequests(input))[0]?.body["max_output_tokens"];
    };
    expect(await sentLimit("support")).toBe(300);
    expect(await sentLimit("support", 50)).toBe(50);
    expect(await sentLimit("support", 5_000)).toBe(300);
    expect(await sentLimit("other")).toBe(2_000);
    expect(await sentLimit("other", 5_000)).toBe(2_000);
    await worker.settled();
  });

  test("upstream gets digests of the caller, even if the preset sets other values", async () => {
    const worker = startRestricted({
      presets: { support: { user: "deployer", safety_identifier: "x", prompt_cache_key: "y" } },
      callers: { publishable: [{ id: "site", key: PK_BOTH, presets: ["support"] }] },
    });
    const input = uniqueText();
    await worker.answer({ input }, as(PK_BOTH));
    const keys = await idKeys();
    const owner = await ownerOf(keys, "publishable:site");
    expect((await receivedRequests(input))[0]?.body).toMatchObject({
      safety_identifier: await deriveDigest(keys, "safety", owner),
      prompt_cache_key: await deriveDigest(keys, "prompt-cache", `${owner}\0support`),
    });
  });

  test("each caller and preset has its own digests, the same for every request", async () => {
    const worker = startRestricted({
      presets: { support: {}, other: {} },
      callers: {
        publishable: [
          { id: "site", key: PK, presets: ["support", "other"] },
          { id: "app", key: PK_BOTH, presets: ["support", "other"] },
        ],
      },
    });
    const keys = await idKeys();
    for (let round = 0; round < 2; round += 1) {
      for (const [key, id] of [
        [PK, "site"],
        [PK_BOTH, "app"],
      ] as const) {
        for (const preset of ["support", "other"]) {
          const input = uniqueText();
          await worker.answer({ input, preset }, as(key));
          const owner = await ownerOf(keys, `publishable:${id}`);
          expect((await receivedRequests(input))[0]?.body).toMatchObject({
            safety_identifier: await deriveDigest(keys, "safety", owner),
            prompt_cache_key: await deriveDigest(keys, "prompt-cache", `${owner}\0${preset}`),
          });
        }
      }
    }
  });

  test("a raw upstream id is refused, and upstream is not called", async () => {
    const worker = startRestricted();
    const input = uniqueText();
    const problem = await problemOf(await worker.ask({ input, previous_response_id: "resp_68af" }, pk));
    expect(problem.code).toBe("previous_response_not_found");
    expect(await calls(input)).toBe(0);
  });
});

describe("a preset's settings are not shown", () => {
  test("in any form of an answer", async () => {
    const worker = startRestricted();
    const input = uniqueText();
    const metadata = { mine: "yes", team: "mine, too" };
    const responses = [
      await worker.ask({ input, metadata }, pk),
      await worker.ask({ input, metadata }, { ...pk, ...EVENTS }),
      await worker.ask({ input, metadata }, { ...pk, ...TEXT }),
      await worker.ask({ input, metadata, stream: true }, { ...pk, ...TEXT }),
      await respond(worker, { input, metadata, stream: true }),
      await respond(worker, { input, metadata }),
    ];
    const texts = await Promise.all(
      responses.map(
        async (response) => `${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`,
      ),
    );
    await worker.settled();
    for (const text of texts) {
      expect(text).toMatch(/^200 /);
      for (const word of HIDDEN) expect(text).not.toContain(word);
    }
    const object = JSON.parse((texts.at(-1) ?? "").replace(/^.*?\] (?=\{)/s, "")) as Record<string, unknown>;
    expect(object).toMatchObject({
      instructions: null,
      tools: [],
      metadata,
      user: null,
      safety_identifier: null,
      prompt_cache_key: null,
      text: { format: { type: "text" } },
      tool_choice: "auto",
      previous_response_id: null,
    });
    // Upstream did receive them.
    const [sentLimit] = await receivedRequests(input);
    expect(sentLimit?.body).toMatchObject({ instructions: HIDDEN[0], metadata: { mine: "yes", team: HIDDEN[2] } });
    expect((await kvTexts()).join("\n")).not.toContain(HIDDEN[0]);
    expect(JSON.stringify(log.lines())).not.toContain("hidden-");
  });
});

describe("a preset's settings are not shown to a user with a session", () => {
  // The output lists hosted tools: here those of an MCP server that the preset names.
  const listed = {
    type: "mcp_list_tools",
    id: "mcpl_1",
    server_label: "crm",
    tools: [{ name: "hidden-tool-narwhal", input_schema: {} }],
  };
  const message = {
    type: "message",
    id: "msg_1",
    status: "completed",
    role: "assistant",
    content: [{ type: "output_text", text: "Hello.", annotations: [] }],
  };
  const object = (body: Record<string, unknown>, status: string): object => ({
    ...body,
    id: "resp_up1",
    object: "response",
    created_at: 1_800_000_000,
    status,
    output: status === "completed" ? [listed, message] : [],
    usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
    prompt: { id: "hidden-prompt-walrus" },
  });
  /** Repeats the request's settings in the response, as OpenAI does. */
  function echo(body: Record<string, unknown>): Response {
    if (body["stream"] !== true) return Response.json(object(body, "completed"));
    const events = [
      { type: "response.created", response: object(body, "in_progress") },
      { type: "response.output_item.added", output_index: 0, item: { ...listed, tools: [] } },
      { type: "response.output_item.done", output_index: 0, item: listed },
      { type: "response.output_item.done", output_index: 1, item: message },
      { type: "response.completed", response: object(body, "completed") },
    ];
    const text = events
      .map((event, n) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: n })}\n\n`)
      .join("");
    return new Response(text, { headers: { "content-type": "text/event-stream" } });
  }

  test("in any form: follow-up, repeat, answer by id, input items, thread or events", async () => {
    const real = globalThis.fetch;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) =>
      typeof init?.body === "string" && String(input).endsWith("/v1/responses")
        ? echo(JSON.parse(init.body) as Record<string, unknown>)
        : real(input, init),
    );
    const worker = startRestricted(
      { callers: { sessions: { presets: ["cached"] } }, cache: { ttl: 600, responses: true } },
      { SESSION_KEYS },
    );
    const user = as(hs256(claimsOf("ada")));
    const texts: string[] = [];
    const read = async (response: Response): Promise<string> => {
      const text = await response.text();
      texts.push(`${response.status} ${JSON.stringify([...response.headers])} ${text}`);
      await worker.settled();
      return text;
    };
    const first = JSON.parse(await read(await worker.ask({ input: "one" }, user))) as { id: string; text: string };
    expect(first.text).toBe("Hello.");
    for (const stream of [false, true]) {
      for (const input of ["two", "two"]) {
        await read(await respond(worker, { input, previous_response_id: first.id, stream }, user));
        await read(await worker.ask({ input, previous_response_id: first.id, stream }, user));
        await read(await worker.ask({ input, previous_response_id: first.id, stream }, { ...user, ...TEXT }));
      }
    }
    expect(texts.filter((text) => text.includes("uniapi-edge; hit")).length, "repeats").toBeGreaterThanOrEqual(6);
    const second = JSON.parse(
      await read(await respond(worker, { input: "three", previous_response_id: first.id }, user)),
    ) as {
      id: string;
    };
    for (const path of ["", "?stream=true", "/input_items"])
      await read(await worker.get(`/v1/responses/${second.id}${path}`, user));
    for (const path of ["", "?thread=true"]) await read(await worker.get(`/ask/${second.id}${path}`, user));
    for (const text of texts) {
      expect(text).toMatch(/^200 /);
      for (const word of HIDDEN) expect(text).not.toContain(word);
    }
    expect(texts).toHaveLength(19);
  });

  test("a shared cached answer does not show the metadata of the caller who made it", async () => {
    const worker = startRestricted(
      {
        callers: { sessions: { presets: ["shared"] } },
        presets: {
          shared: { max_output_tokens: 300, metadata: { team: "hidden-tag-ibex" }, cache: { scope: "shared" } },
        },
      },
      { SESSION_KEYS, SERVER_KEYS },
    );
    const input = uniqueText();
    await worker.answer({ input, preset: "shared", metadata: { team: "hidden-tag-ibex" } }, as(KEYS.alice));
    const hit = await worker.answer({ input }, as(hs256(claimsOf("ada"))));
    expect([hit.cached, hit.metadata]).toEqual([true, undefined]);
    expect(await (await worker.get(`/ask/${hit.id}`, as(hs256(claimsOf("ada"))))).text()).not.toContain("hidden-");
  });

  test("in an upstream error", async () => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async () =>
      Response.json(
        {
          error: {
            message: "Invalid schema for function 'hidden-tool-narwhal': hidden-prompt-walrus",
            type: "invalid_request_error",
            code: "invalid_function_parameters",
            param: "tools[0].parameters",
          },
        },
        { status: 400 },
      ),
    );
    const worker = startRestricted({ callers: { sessions: { presets: ["cached"] } } }, { SESSION_KEYS, SERVER_KEYS });
    const user = as(hs256(claimsOf("ada")));
    for (const response of [await worker.ask({ input: "x" }, user), await respond(worker, { input: "x" }, user)]) {
      const problem = await problemOf(response);
      expect([response.status, problem.code, problem.param]).toEqual([400, "invalid_function_parameters", ""]);
      expect(problem.message).not.toContain("hidden-");
    }
    // Server callers see the message.
    expect((await problemOf(await worker.ask({ input: "x" }, as(KEYS.alice)))).message).toContain(
      "hidden-tool-narwhal",
    );
  });

  test("the number of metadata keys that a preset hides can't be found by trial", async () => {
    const keys = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, "x"]));
    const presets = { none: {}, one: { metadata: { team: "hidden" } }, many: { metadata: keys(8) } };
    const worker = startRestricted({
      presets,
      callers: { publishable: [{ id: "x", key: PK_BOTH, presets: ["none", "one", "many"] }] },
    });
    const outcomes = async (preset: string): Promise<unknown[]> => {
      const seen: unknown[] = [];
      for (let count = 0; count <= 17; count += 1) {
        const response = await worker.ask({ input: "x", preset, metadata: keys(count) }, as(PK_BOTH));
        seen.push(response.status === 200 ? 200 : (await problemOf(response)).message);
      }
      return seen;
    };
    const none = await outcomes("none");
    expect(none).toContain(200);
    expect(none).toContain("`metadata` may have at most 8 keys here.");
    expect(await outcomes("one")).toEqual(none);
    expect(await outcomes("many")).toEqual(none);
    await worker.settled();
  });
});

describe("requests by id", () => {
  test("another user's id, a forged id and an unknown id get the same answer, on every route", async () => {
    const worker = startRestricted({ callers: { sessions: { presets: ["cached"] } } }, { SESSION_KEYS });
    const { id } = await worker.answer({ input: uniqueText() }, as(hs256(claimsOf("ada"))));
    const bob = as(hs256(claimsOf("bob")));
    const read = vi.spyOn(env.RESPONSES, "get");
    const seen = new Map<string, Set<string>>();
    for (const responseId of [id, `${id.slice(0, -2)}AA`, "resp_ue1_none"]) {
      for (const [method, path] of [
        ["GET", `/ask/${responseId}`],
        ["GET", `/ask/${responseId}?thread=true`],
        ["GET", `/v1/responses/${responseId}`],
        ["GET", `/v1/responses/${responseId}/input_items`],
        ["DELETE", `/v1/responses/${responseId}`],
        ["POST", "/ask"],
        ["POST", "/v1/responses"],
      ] as const) {
        const body =
          method === "POST" ? { body: JSON.stringify({ input: "x", previous_response_id: responseId }) } : {};
        const response = await worker.send(path, {
          method,
          headers: { ...bob, "content-type": "application/json" },
          ...body,
        });
        const { request_id: _, ...error } = await problemOf(response);
        const route = `${method} ${path.replace(responseId, "ID")}`;
        seen.set(route, (seen.get(route) ?? new Set()).add(JSON.stringify([response.status, error])));
      }
    }
    for (const [route, answers] of seen) {
      expect([...answers], route).toHaveLength(1);
      expect([...answers][0], route).toContain(
        route.startsWith("POST") ? "previous_response_not_found" : "response_not_found",
      );
    }
    expect(read, "KV is not read, so the time does not differ either").not.toHaveBeenCalled();
  });

  test("a publishable key reads and deletes nothing: neither its own id, nor a forged or unknown one", async () => {
    const worker = startRestricted();
    const { id } = await worker.answer({ input: uniqueText() }, pk);
    for (const responseId of [id, "resp_ue1_forged", "nothing"]) {
      for (const [method, path] of [
        ["GET", `/ask/${responseId}`],
        ["GET", `/v1/responses/${responseId}`],
        ["GET", `/v1/responses/${responseId}/input_items`],
        ["DELETE", `/v1/responses/${responseId}`],
        ["GET", "/usage"],
      ] as const) {
        const response = await worker.send(path, { method, headers: pk });
        expect([response.status, (await problemOf(response)).code]).toEqual([403, "insufficient_scope"]);
      }
    }
  });

  test("GET /v1/models lists the caller's presets and no others", async () => {
    const response = await startRestricted().get("/v1/models", as(PK_BOTH));
    const { data } = await response.json<{ data: { id: string }[] }>();
    expect(data.map(({ id }) => id)).toEqual(["support", "other"]);
  });
});
