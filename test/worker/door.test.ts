// How requests come in: multipart forms, content types, paths with too many slashes, and bounds on the number of values in a body.
import { describe, expect, test } from "vitest";
import {
  as,
  calls,
  eachTestAlone,
  type HeaderTable,
  KEYS,
  kvKeys,
  problemOf,
  receivedRequests,
  SERVER_KEYS,
  startWorker,
  uniqueText,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(text));
const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 0xff]);
const JPEG = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0]);
const WEBP = bytesOf("RIFF\0\0\0\0WEBPVP8 ");
const GIF = bytesOf("GIF89a!");
const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
const PAGE_KEY = "pk_page_0123456789abcdef";
const ORIGIN = "https://app.example.com";
const PRODUCTION = { ENVIRONMENT: "production", SERVER_KEYS, UNIAPI_BASE_URL: "https://api.uniapi.example" };

const post = (worker: WorkerUnderTest, body: BodyInit, headers: HeaderTable = {}): Promise<Response> =>
  worker.send("/ask", { method: "POST", body, headers });
const formOf = (...fields: readonly (readonly [name: string, value: string | File])[]): FormData => {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  return form;
};
const file = (bytes: Uint8Array<ArrayBuffer>, type: string, name = "a.bin"): File => new File([bytes], name, { type });

describe("a multipart form", () => {
  test("has text fields, like a form, and its files are images", async () => {
    const worker = startWorker({ presets: { support: { instructions: "Be kind." } } });
    const input = uniqueText("größer");
    const form = formOf(
      ["input", input],
      ["preset", "support"],
      ["temperature", "0.2"],
      ["user", "7"],
      ["schema", '{"type":"object","maximum":9223372036854775807}'],
      ["photo", file(PNG, "image/png")],
      ["photo", file(JPEG, "image/jpeg")],
      ["other", file(WEBP, "image/webp")],
      ["gif", file(GIF, "image/gif")],
    );
    expect((await post(worker, form)).status).toBe(200);
    const [call] = await receivedRequests(input);
    const url = (type: string, bytes: Uint8Array): string => `data:image/${type};base64,${base64(bytes)}`;
    expect(call?.body).toMatchObject({
      instructions: "Be kind.",
      temperature: 0.2,
      user: "7",
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text: input },
            { type: "input_image", image_url: url("png", PNG) },
            { type: "input_image", image_url: url("jpeg", JPEG) },
            { type: "input_image", image_url: url("webp", WEBP) },
            { type: "input_image", image_url: url("gif", GIF) },
          ],
        },
      ],
    });
    expect(call?.raw).toContain('"maximum":9223372036854775807');
  });

  test("continues an answer, streams, and accepts URLs of images beside files", async () => {
    const worker = startWorker();
    const first = await worker.answer({ input: uniqueText() });
    const input = uniqueText();
    const form = formOf(
      ["input", input],
      ["previous_response_id", first.id],
      ["stream", "true"],
      ["images", '["https://example.com/a.png"]'],
      ["file", file(PNG, "image/png")],
    );
    const response = await post(worker, form);
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(await response.text()).toContain("event: done");
    const [call] = await receivedRequests(input);
    expect(call?.raw.match(/"image_url":"[^"]{0,24}/g)).toEqual([
      '"image_url":"https://example.com/a.pn',
      '"image_url":"data:image/png;base64,iV',
    ]);
    expect(call?.body).toHaveProperty("previous_response_id");
  });

  test.each([
    ["without a type", PNG, "", "png"],
    ["labeled as bytes", JPEG, "application/octet-stream", "jpeg"],
    ["of an old type", JPEG, "image/jpg", "jpeg"],
    ["with a parameter", GIF, "image/gif; q=1", "gif"],
    ["labeled as another image", WEBP, "image/x-unknown", "webp"],
    ["of 300,000 bytes", new Uint8Array(300_000).fill(7), "image/png", "png"],
  ] as const)("may have an image %s", async (_, bytes, type, expected) => {
    const input = uniqueText();
    const response = await post(startWorker(), formOf(["input", input], ["file", file(bytes, type)]));
    expect(response.status, await response.text()).toBe(200);
    const [call] = await receivedRequests(input);
    expect(call?.raw).toContain(`data:image/${expected};base64,${base64(bytes.subarray(0, 3))}`);
  });

  test("may have file inputs in which nothing was chosen", async () => {
    const input = uniqueText();
    const body = [
      "--b",
      'Content-Disposition: form-data; name="input"',
      "",
      input,
      "--b",
      ...["file", "file", "images"].flatMap((name) => [
        `Content-Disposition: form-data; name="${name}"; filename=""`,
        "Content-Type: application/octet-stream",
        "",
        "",
        "--b",
      ]),
      'Content-Disposition: form-data; name="instructions"',
      "",
      "",
      "--b--",
      "",
    ].join("\r\n");
    const response = await post(startWorker(), body, { "content-type": "multipart/form-data; boundary=b" });
    expect(response.status, await response.text()).toBe(200);
    expect((await receivedRequests(input))[0]?.body["input"]).toBe(input);
  });

  const part = (name: string, value: string): string =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  test.each([
    ["a quoted boundary", 'multipart/form-data; boundary="b"', `${part("input", "MARKER")}--b--\r\n`],
    ["capitals", "Multipart/Form-Data; BOUNDARY=b", `${part("input", "MARKER")}--b--\r\n`],
    ["a charset", "multipart/form-data; charset=utf-8; boundary=b", `${part("input", "MARKER")}--b--\r\n`],
    ["no line break at the end", "multipart/form-data; boundary=b", `${part("input", "MARKER")}--b--`],
    [
      "its content type twice",
      "multipart/form-data; boundary=b, multipart/form-data; boundary=b",
      `${part("input", "MARKER")}--b--`,
    ],
    [
      "a comma in its boundary",
      'multipart/form-data; boundary="b,b"',
      `${part("input", "MARKER").replace("--b", "--b,b")}--b,b--`,
    ],
    [
      "a part with its own type",
      "multipart/form-data; boundary=b",
      `--b\r\nContent-Disposition: form-data; name="input"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nMARKER\r\n--b--`,
    ],
    ["a replacement character of its own", "multipart/form-data; boundary=b", `${part("input", "MARKER \uFFFD")}--b--`],
  ])("may have %s", async (_, type, body) => {
    const input = uniqueText();
    const response = await post(startWorker(), body.replace("MARKER", input), { "content-type": type });
    expect(response.status, await response.text()).toBe(200);
    expect((await receivedRequests(input))[0]?.body["input"]).toMatch(input);
  });

  const BOUNDARY = "multipart/form-data; boundary=b";
  test.each<[string, string | Uint8Array<ArrayBuffer>, string, number, string, string]>([
    ["no boundary", `${part("input", "hi")}--b--`, "multipart/form-data", 400, "invalid_request", ""],
    ["an empty boundary", `${part("input", "hi")}--b--`, "multipart/form-data; boundary=", 400, "invalid_request", ""],
    ["another boundary", `${part("input", "hi")}--b--`, "multipart/form-data; boundary=c", 400, "invalid_request", ""],
    ["no end", part("input", "hi"), BOUNDARY, 400, "invalid_request", ""],
    ["no body", "", BOUNDARY, 400, "invalid_request", ""],
    ["text that is no form", "input=hi", BOUNDARY, 400, "invalid_request", ""],
    ["no input", `${part("preset", "hi")}--b--`, BOUNDARY, 400, "invalid_request", "input"],
    ["no parts", "--b--\r\n", BOUNDARY, 400, "invalid_request", "input"],
    ["a field twice", `${part("input", "a")}${part("input", "b")}--b--`, BOUNDARY, 400, "invalid_request", "input"],
    [
      "an unknown field",
      `${part("input", "a")}${part("inptu", "b")}--b--`,
      BOUNDARY,
      400,
      "unknown_parameter",
      "inptu",
    ],
    [
      "a wrong field",
      `${part("input", "a")}${part("temperature", "b")}--b--`,
      BOUNDARY,
      400,
      "invalid_request",
      "temperature",
    ],
    ["__proto__", `${part("input", "a")}${part("__proto__", "b")}--b--`, BOUNDARY, 400, "invalid_request", "__proto__"],
    [
      "a charset other than UTF-8",
      `${part("input", "a")}--b--`,
      `${BOUNDARY}; charset=latin1`,
      415,
      "unsupported_media_type",
      "",
    ],
    [
      "bytes that are not UTF-8",
      Uint8Array.from([
        ...new TextEncoder().encode(part("input", "a")).slice(0, -2),
        0xff,
        13,
        10,
        ...new TextEncoder().encode("--b--"),
      ]),
      BOUNDARY,
      400,
      "invalid_request",
      "input",
    ],
    [
      "65 fields",
      `${Array.from({ length: 65 }, (_, n) => part(`f${n}`, "1")).join("")}--b--`,
      BOUNDARY,
      400,
      "too_many_values",
      "",
    ],
  ])("with %s is refused", async (_, body, type, status, code, param) => {
    const response = await post(startWorker(), body, { "content-type": type });
    expect(response.status).toBe(status);
    expect(await problemOf(response)).toMatchObject({ code, param });
  });

  test.each([
    ["text", bytesOf("hi"), "text/plain", 415, "unsupported_media_type"],
    ["a PDF", bytesOf("%PDF-1.7"), "application/pdf", 415, "unsupported_media_type"],
    ["an SVG", bytesOf("<svg/>"), "image/svg+xml", 415, "unsupported_media_type"],
    ["unknown bytes", Uint8Array.of(0, 1), "", 415, "unsupported_media_type"],
    ["an empty file", new Uint8Array(0), "image/png", 400, "invalid_request"],
  ] as const)("whose file is %s is refused, and the error explains why", async (_, bytes, type, status, code) => {
    const response = await post(startWorker(), formOf(["input", "hi"], ["doc", file(bytes, type)]));
    expect(response.status).toBe(status);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code, param: "doc" });
    expect(problem.message).toMatch(status === 415 ? /PNG, JPEG, WebP or GIF/ : /empty/);
  });

  test("is one call under an Idempotency-Key, whatever its boundary is", async () => {
    const worker = startWorker();
    const input = uniqueText();
    const headers = { "idempotency-key": crypto.randomUUID() };
    const texts: string[] = [];
    for (let n = 0; n < 2; n += 1) {
      const response = await post(worker, formOf(["input", input], ["file", file(PNG, "image/png")]), headers);
      texts.push(await response.text());
      await worker.settled();
    }
    expect(texts[1]).toBe(texts[0]);
    expect(await calls(input)).toBe(1);
    const other = await post(worker, formOf(["input", input], ["file", file(JPEG, "image/png")]), headers);
    expect(other.status).toBe(422);
  });

  test("of a page needs a preset that permits images, and its files have the limits of images", async () => {
    const worker = startWorker(
      {
        origins: [ORIGIN],
        presets: { text: {}, pictures: { images: true } },
        callers: { publishable: [{ id: "page", key: PAGE_KEY, presets: ["text", "pictures"] }] },
      },
      { SERVER_KEYS },
    );
    const headers = { ...as(PAGE_KEY), origin: ORIGIN };
    const ask = (preset: string, bytes: Uint8Array<ArrayBuffer>): Promise<Response> =>
      post(worker, formOf(["input", "hi"], ["preset", preset], ["file", file(bytes, "image/png")]), headers);
    const refused = await ask("text", PNG);
    expect(await problemOf(refused)).toMatchObject({ code: "unknown_parameter", param: "images" });
    const big = await ask("pictures", new Uint8Array(2 * 1_048_576 + 1));
    expect(await problemOf(big)).toMatchObject({ code: "invalid_request", param: "images[0]" });
    const tooBig = await ask("pictures", new Uint8Array(3 * 1_048_576));
    expect(tooBig.status).toBe(413);
    const accepted = await ask("pictures", PNG);
    expect(accepted.status, await accepted.text()).toBe(200);
    expect(accepted.headers.get("access-control-allow-origin")).toBe(ORIGIN);
  });
});

describe("the content type", () => {
  test.each(["/ask", "/v1/responses"])(
    "is JSON under any of its names, and only the first entry of a list counts, on %s",
    async (path) => {
      const worker = startWorker();
      for (const type of [
        "application/json, application/json",
        "application/json; charset=utf-8,text/plain",
        "text/json",
        "Text/JSON; charset=UTF-8",
        "text/json, text/json",
        "application/vnd.api+json,application/json",
      ]) {
        const input = uniqueText();
        const headers = { "content-type": type };
        const response = await worker.send(path, {
          method: "POST",
          body: JSON.stringify({ input, model: "m" }),
          headers,
        });
        expect(response.status, type).toBe(200);
        expect((await receivedRequests(input))[0]?.body["input"]).toBe(input);
        const wrong = await worker.send(path, { method: "POST", body: "hi", headers });
        expect((await problemOf(wrong)).code, type).toBe("invalid_json");
      }
    },
  );
});

describe("a path with a trailing or a doubled slash", () => {
  test.each(["/ask/", "//ask", "/ask//", "///ask///?stream=false"])("POST %s asks", async (path) => {
    const response = await startWorker().send(`http://localhost:8787${path}`, { method: "POST", body: uniqueText() });
    expect(response.status).toBe(200);
    expect(log.requests().at(-1)).toMatchObject({ route: "POST /ask" });
  });

  test.each(["/v1/responses/", "/v1//responses", "//v1/responses", "/responses/"])("POST %s responds", async (path) => {
    const init = { method: "POST", body: JSON.stringify({ input: uniqueText() }) };
    const response = await startWorker().send(`http://localhost:8787${path}`, init);
    expect(await response.json()).toMatchObject({ object: "response", status: "completed" });
  });

  test("finds answers by id, and the log shows the route", async () => {
    const worker = startWorker();
    const { id, text } = await worker.answer({ input: uniqueText() });
    for (const path of [`/ask/${id}/`, `/ask//${id}`, `//ask/${id}`]) {
      const response = await worker.send(`http://localhost:8787${path}`);
      expect(await response.json()).toMatchObject({ id, text });
      expect(log.requests().at(-1)).toMatchObject({ route: "GET /ask/{id}" });
    }
    expect(await (await worker.get(`/v1/responses//${id}/input_items/`)).json()).toMatchObject({ object: "list" });
    const deleted = await worker.send(`/v1/responses/${id}/`, { method: "DELETE" });
    expect(deleted.status).toBe(200);
  });

  test("has the same preflights, methods and hidden routes as the plain path", async () => {
    const worker = startWorker({ origins: [ORIGIN], console: false }, PRODUCTION);
    const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "authorization" };
    for (const path of ["/ask/", "//ask", "/v1//responses"]) {
      const url = `https://ask.example.com${path}`;
      const allowed = await worker.send(url, { method: "OPTIONS", headers: { origin: ORIGIN, ...preflight } });
      expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([204, ORIGIN]);
      const foreign = await worker.send(url, {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", ...preflight },
      });
      expect(foreign.status).toBe(403);
      const put = await worker.send(url, { method: "PUT" });
      expect([put.status, put.headers.get("allow")]).toEqual([405, "POST"]);
      const anonymous = await worker.send(url, { method: "POST", body: "hi" });
      expect(anonymous.status).toBe(401);
    }
    for (const path of ["/", "//", "/console/console.js/", "//console//console.js", "/hooks/", "/nothing/"]) {
      expect((await worker.send(`https://ask.example.com${path}`)).status, path).toBe(404);
    }
  });
});

describe("the number of values in a body", () => {
  const restricted = (): WorkerUnderTest =>
    startWorker(
      {
        origins: [ORIGIN],
        presets: { p: { images: true, allow: ["tools", "include", "text"] } },
        callers: { publishable: [{ id: "page", key: PAGE_KEY, presets: ["p"] }] },
      },
      { SERVER_KEYS },
    );
  const page = { ...as(PAGE_KEY), origin: ORIGIN };
  const json = (worker: WorkerUnderTest, path: string, body: string, headers: HeaderTable): Promise<Response> =>
    worker.send(path, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });

  test.each(["/ask", "/v1/responses"])(
    "of a restricted caller is at most 5,000, of a server key 100,000, on %s",
    async (path) => {
      const worker = restricted();
      // The object has one key and each message five values.
      const messages = (count: number): string =>
        JSON.stringify({
          input: Array.from({ length: count }, () => ({ role: "user", content: [{ type: "input_text" }] })),
        });
      const input = (values: number): string =>
        JSON.stringify({ input: [{ role: "user", content: "hi", x: Array(values - 5).fill(0) }] });
      for (const [body, headers, limit] of [
        [input(5_001), page, "5000"],
        [messages(1_000), page, "5000"],
        [input(100_001), as(KEYS.alice), "100000"],
      ] as const) {
        const problem = await problemOf(await json(worker, path, body, headers));
        expect(problem.code).toBe("too_many_values");
        expect(problem.message).toContain(limit);
      }
      // Within the limit, the key that does not belong there is the mistake.
      expect(await problemOf(await json(worker, path, input(5_000), page))).toMatchObject({ param: "input[0].x" });
      expect((await json(worker, path, input(100_000), as(KEYS.alice))).status).toBe(200);
    },
  );

  test("at the top is at most 64 for a restricted caller and for a form", async () => {
    const worker = restricted();
    const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [String(n * 7), "x"]));
    const form = (count: number) => new URLSearchParams(fields(count)).toString();
    const formType = { "content-type": "application/x-www-form-urlencoded" };
    for (const [body, headers] of [
      [JSON.stringify({ input: "hi", ...fields(64) }), page],
      [`input=hi&${form(64)}`, { ...page, ...formType }],
      [`input=hi&${form(64)}`, { ...as(KEYS.alice), ...formType }],
    ] as const) {
      const problem = await problemOf(await json(worker, "/ask", body, headers));
      expect(problem).toMatchObject({ code: "too_many_values", message: expect.stringContaining("64") as string });
    }
    const allowed = await problemOf(await json(worker, "/ask", JSON.stringify({ input: "hi", ...fields(63) }), page));
    expect(allowed.code).toBe("unknown_parameter");
    const value = `input=hi&include=${JSON.stringify(Array(5_000).fill("a"))}`;
    expect((await problemOf(await json(worker, "/ask", value, { ...as(KEYS.alice), ...formType }))).code).toBe(
      "too_many_values",
    );
  });

  test("does not delay a refusal: a list with many wrong elements is refused with the name of the first one", async () => {
    const worker = restricted();
    for (const [field, element] of [
      ["tools", 0],
      ["include", 0],
      ["images", 0],
      ["input", 0],
      ["tools", { type: 1 }],
    ] as const) {
      const list = Array(99_000).fill(element);
      if (typeof element === "object") list.length = 40_000;
      const body = JSON.stringify({ input: "hi", [field]: list });
      const problem = await problemOf(await json(worker, "/ask", body, as(KEYS.alice)));
      expect(problem.code).toBe("invalid_request");
      expect(problem.param).toMatch(field === "input" ? "input" : `${field}[0]`);
    }
    const late = JSON.stringify({ input: "hi", include: [...Array(700).fill("a"), 7, 7] });
    expect(await problemOf(await json(worker, "/ask", late, as(KEYS.alice)))).toMatchObject({ param: "include[700]" });
  });

  test("does not limit text that only looks like JSON", async () => {
    const text = JSON.stringify({ list: Array(5_001).fill(0) });
    const response = await restricted().send("/ask", {
      method: "POST",
      body: text,
      headers: { "content-type": "text/plain", ...page },
    });
    expect(response.status).toBe(200);
  });

  test("has no effect on depth: a schema with 8 levels of nullable objects is accepted, and 129 levels of nesting are refused", async () => {
    const level = (depth: number): object =>
      depth === 0
        ? { anyOf: [{ type: "string" }, { type: "null" }] }
        : {
            anyOf: [
              {
                type: "object",
                properties: { next: level(depth - 1) },
                required: ["next"],
                additionalProperties: false,
              },
              { type: "null" },
            ],
          };
    const schema = { type: "object", properties: { root: level(8) }, required: ["root"], additionalProperties: false };
    const worker = restricted();
    const input = uniqueText();
    const accepted = await json(worker, "/ask", JSON.stringify({ input, schema }), page);
    expect(accepted.status, await accepted.text()).toBe(200);
    const deep = `{"input":"hi","text":${'{"a":'.repeat(128)}1${"}".repeat(128)}}`;
    const problem = await problemOf(await json(worker, "/ask", deep, page));
    expect(problem).toMatchObject({ code: "input_too_deep", message: expect.stringContaining("128") as string });
  });

  test("a number that JSON readers can't hold is refused instead of sent as null", async () => {
    for (const number of ["1e999", "-1e999", "9".repeat(400)]) {
      const response = await json(startWorker(), "/v1/responses", `{"input":"hi","temperature":${number}}`, {});
      expect(await problemOf(response)).toMatchObject({
        code: "invalid_request",
        message: expect.stringContaining("1.8e308") as string,
      });
    }
  });
});

describe("Cache-Control: max-age=0", () => {
  test.each([undefined, { ttl: 60, responses: true }])(
    "on /v1/responses neither reads nor writes the cache (%j)",
    async (cache) => {
      const worker = startWorker(cache === undefined ? {} : { cache });
      const input = uniqueText();
      const ask = async (control: string): Promise<string | null> => {
        const response = await worker.send("/v1/responses", {
          method: "POST",
          body: JSON.stringify({ input }),
          headers: { "content-type": "application/json", "cache-control": control },
        });
        await response.text();
        await worker.settled();
        return response.headers.get("cache-status");
      };
      expect(await ask("max-age=0")).toBe("uniapi-edge; fwd=bypass");
      expect(await kvKeys("answer:")).toEqual([]);
      expect(await ask("max-age=60")).toBe("uniapi-edge; fwd=miss; stored");
      expect(await ask("max-age=60")).toMatch(/; hit/);
      expect(await ask("max-age=0")).toBe("uniapi-edge; fwd=bypass");
      expect(await calls(input)).toBe(3);
    },
  );
});
