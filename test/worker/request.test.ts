// POST /ask over HTTP: what upstream receives for a request, and which requests never reach it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  calls,
  eachTestAlone,
  expectEnvelope,
  type HeaderTable,
  uniqueText,
  problemOf,
  receivedRequests,
  startWorker,
} from "./worker.ts";

eachTestAlone();

const send = (
  worker: ReturnType<typeof startWorker>,
  body: BodyInit | null,
  headers: HeaderTable = {},
  query = "",
): Promise<Response> => worker.send(`/ask${query}`, { method: "POST", body, headers });

describe("what upstream receives", () => {
  test("the request overrides the preset, which overrides the defaults, and caps always apply", async () => {
    const worker = startWorker({
      defaults: { model: "gpt-6.1-sol", temperature: 0.1, top_p: 0.1, instructions: "defaults", truncation: "auto" },
      presets: { p: { model: "gpt-5.6-terra", temperature: 0.2, instructions: "preset", max_output_tokens: 9_000 } },
      limits: { max_output_tokens: 500 },
    });
    const input = uniqueText();
    await worker.answer({ input, preset: "p", instructions: "request" });
    await worker.answer({ input, max_output_tokens: 100, model: "gpt-6-sol" });
    await worker.answer({ input });
    const bodies = (await receivedRequests(input)).map(({ body }) => body);
    expect(bodies).toEqual([
      {
        model: "gpt-5.6-terra",
        input,
        instructions: "request",
        temperature: 0.2,
        top_p: 0.1,
        truncation: "auto",
        max_output_tokens: 500,
        stream: false,
      },
      {
        model: "gpt-6-sol",
        input,
        instructions: "defaults",
        temperature: 0.1,
        top_p: 0.1,
        truncation: "auto",
        max_output_tokens: 100,
        stream: false,
      },
      {
        model: "gpt-6.1-sol",
        input,
        instructions: "defaults",
        temperature: 0.1,
        top_p: 0.1,
        truncation: "auto",
        max_output_tokens: 500,
        stream: false,
      },
    ]);
  });

  test("short forms are expanded to the long forms", async () => {
    const input = uniqueText();
    const schema = {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    };
    const image = "data:image/png;base64,iVBORw0KGgo=";
    const answer = await startWorker().answer({
      input,
      schema,
      reasoning: "low",
      images: [image],
      stream: null,
      user: null,
    });
    expect(answer.data).toEqual({ city: expect.any(String) as string });
    expect(JSON.parse(answer.text)).toEqual(answer.data);
    expect((await receivedRequests(input))[0]?.body).toEqual({
      model: "gpt-6-luna",
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text: input },
            { type: "input_image", image_url: image },
          ],
        },
      ],
      reasoning: { effort: "low" },
      text: { format: { type: "json_schema", name: "answer", schema, strict: true } },
      stream: false,
    });
  });

  test("the Worker's own fields and settings are not sent", async () => {
    const input = uniqueText();
    await startWorker({
      presets: { p: { max_turns: 5, allow: ["temperature"], images: true, fallback: ["gpt-6-sol"] } },
    }).answer({ input, preset: "p", cache: "refresh" }, { accept: "application/json", "cache-control": "max-age=5" });
    expect(Object.keys((await receivedRequests(input))[0]?.body ?? {}).toSorted()).toEqual([
      "input",
      "model",
      "stream",
    ]);
  });

  test("plain text, forms and JSON of any content type reach upstream as the intended fields", async () => {
    const worker = startWorker();
    const json = uniqueText("json");
    for (const type of [
      "application/json",
      "application/vnd.api+json; charset=utf-8",
      "text/plain",
      "application/x-www-form-urlencoded",
    ]) {
      expect(
        (await send(worker, JSON.stringify({ input: json, temperature: 0.5, cache: false }), { "content-type": type }))
          .status,
      ).toBe(200);
    }
    for (const { body } of await receivedRequests(json)) expect(body).toMatchObject({ input: json, temperature: 0.5 });
    expect(await calls(json)).toBe(4);
    const form = uniqueText("form");
    expect((await send(worker, new URLSearchParams({ input: form, temperature: "0.5" }))).status).toBe(200);
    expect((await receivedRequests(encodeURI(form).replaceAll("%20", " ")))[0]?.body).toMatchObject({
      input: form,
      temperature: 0.5,
    });
    const text = uniqueText('{"not":"json" ');
    expect((await send(worker, text)).status).toBe(200);
    expect((await receivedRequests(text.slice(-36)))[0]?.body).toMatchObject({ input: text });
  });

  test("the query may carry preset, stream and previous_response_id", async () => {
    const worker = startWorker({ presets: { p: { instructions: "Be kind." } } });
    const first = await worker.answer({ input: uniqueText() });
    const input = uniqueText();
    const response = await send(worker, input, {}, `?preset=p&previous_response_id=${first.id}&stream=true`);
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    await response.text();
    const [call] = await receivedRequests(input);
    expect(call?.body).toMatchObject({
      instructions: "Be kind.",
      stream: true,
      previous_response_id: expect.stringMatching(/^resp_[0-9a-f]{50}$/),
    });
  });
});

describe("requests that never reach upstream", () => {
  test.each([
    ["an unknown field", { temprature: 1 }, 400, "unknown_parameter", "temprature"],
    ["background", { background: true }, 400, "unknown_parameter", "background"],
    ["conversation", { conversation: "conv_1" }, 400, "unknown_parameter", "conversation"],
    ["prompt", { prompt: { id: "x" } }, 400, "unknown_parameter", "prompt"],
    ["a field of the wrong kind", { temperature: "hot" }, 400, "invalid_request", "temperature"],
    ["an unknown preset", { preset: "nope" }, 400, "invalid_request", "preset"],
    ["a preset name from Object's prototype", { preset: "constructor" }, 400, "invalid_request", "preset"],
    ["a model not on the list", { model: "gpt-6-sol" }, 400, "model_not_allowed", "model"],
    ["an empty input", { input: "" }, 400, "invalid_request", "input"],
    ["an image of another kind", { images: ["ftp://x"] }, 400, "invalid_request", "images[0]"],
    ["an empty earlier id", { previous_response_id: "" }, 400, "invalid_request", "previous_response_id"],
    [
      "an earlier id with a line break",
      { previous_response_id: "a\nb" },
      400,
      "previous_response_not_found",
      "previous_response_id",
    ],
    [
      "an earlier id that is too long",
      { previous_response_id: "x".repeat(257) },
      400,
      "previous_response_not_found",
      "previous_response_id",
    ],
  ])("%s: refused", async (_name, fields, status, code, param) => {
    const worker = startWorker({ models: ["gpt-6-luna"] });
    const input = uniqueText();
    const response = await worker.ask({ input, metadata: { input }, ...fields });
    expect(response.status).toBe(status);
    expect(await problemOf(response)).toMatchObject({ code, param, type: "invalid_request_error" });
    expect(await calls(input)).toBe(0);
  });

  test.each([
    ["a body that is not JSON", "{", { "content-type": "application/json" }, 400, "invalid_json"],
    ["JSON that is not an object", "[1]", { "content-type": "application/json" }, 400, "invalid_request"],
    ["no body", null, {}, 400, "invalid_request"],
    ["white space", " \n", {}, 400, "invalid_request"],
    [
      "a body nested too deeply",
      `{"input":${"[".repeat(130)}${"]".repeat(130)}}`,
      { "content-type": "application/json" },
      400,
      "input_too_deep",
    ],
    ["__proto__", '{"input":"x","__proto__":{"a":1}}', { "content-type": "application/json" }, 400, "invalid_request"],
    ["bytes that are not UTF-8", new Uint8Array([104, 105, 0xff]), {}, 400, "invalid_request"],
    ["half a character", new Uint8Array([0xf0, 0x9f, 0x99]), {}, 400, "invalid_request"],
    ["an image", "x", { "content-type": "image/png" }, 415, "unsupported_media_type"],
    [
      "a charset other than UTF-8",
      "x",
      { "content-type": "text/plain; charset=latin1" },
      415,
      "unsupported_media_type",
    ],
    ["an encoded body", "x", { "content-encoding": "gzip" }, 415, "unsupported_media_type"],
  ])("%s: refused", async (_name, body, headers, status, code) => {
    const response = await send(startWorker(), body, headers);
    expect(response.status).toBe(status);
    expect((await problemOf(response)).code).toBe(code);
  });

  test("a body of more than 3 MiB is refused, with or without a length; one of exactly 3 MiB is accepted", async () => {
    const worker = startWorker();
    const cap = 3 * 1_048_576;
    expect((await send(worker, '{"input":"hi"}'.padEnd(cap))).status).toBe(200);
    const declared = await send(worker, "x".repeat(cap + 1));
    const streamed = await send(
      worker,
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(1_048_576).fill(120));
        },
      }),
    );
    // A Worker in front may change a body but not its Content-Length: received bytes are counted.
    const wrongLength = await send(worker, "x".repeat(cap + 1), { "content-length": "10" });
    for (const response of [declared, streamed, wrongLength]) {
      expect(response.status).toBe(413);
      expect(await problemOf(response)).toMatchObject({ code: "payload_too_large" });
    }
  });

  test("a body that never ends is refused", async () => {
    let cancelled = false;
    const worker = startWorker({}, { DEADLINES: '{"body":50}' });
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"input":"')),
      cancel: () => void (cancelled = true),
    });
    const response = await send(worker, endless);
    expect(response.status).toBe(408);
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect((await problemOf(response)).code).toBe("request_timeout");
    expect(cancelled).toBe(true);
  });

  test("a truncated body gets an error in the envelope", async () => {
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"input":"'));
        controller.error(new Error("gone"));
      },
    });
    const response = await send(startWorker(), broken);
    expect(response.ok).toBe(false);
    expectEnvelope(response, (await response.json<{ error: unknown }>()).error);
  });
});

test("any bytes with any content type get a 200 or a 4xx in the envelope", { timeout: 20_000 }, async () => {
  const worker = startWorker();
  const types = fc.oneof(
    fc.constantFrom(
      "application/json",
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/problem+json",
      "text/json, text/json",
      "multipart/form-data; boundary=b",
      "multipart/form-data",
      "",
      "a/b;charset=x",
    ),
    fc.string({ unit: "grapheme-ascii" }).filter((type) => /^[\x20-\x7e]*$/.test(type)),
  );
  const fields = fc.dictionary(
    fc.constantFrom(
      "input",
      "stream",
      "schema",
      "images",
      "reasoning",
      "cache",
      "metadata",
      "tools",
      "text",
      "preset",
      "previous_response_id",
      "store",
      "x",
    ),
    fc.oneof(
      fc.jsonValue(),
      fc.string(),
      fc.constant("low"),
      fc.boolean(),
      fc.array(fc.record({ type: fc.string(), role: fc.string() })),
    ),
  );
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fields.map((body) => new TextEncoder().encode(JSON.stringify(body))),
    fields.map((body) => new TextEncoder().encode(JSON.stringify({ input: "hi", ...body }))),
    fc.string().map((text) => new TextEncoder().encode(`input=${text}`)),
    fc
      .array(fc.tuple(fc.constantFrom("input", "images", 'photo"; filename="a.png', "x"), fc.string()), {
        maxLength: 4,
      })
      .map((parts) =>
        parts.map(([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
      )
      .map((parts) => new TextEncoder().encode(`${parts.join("")}--b--`)),
  );
  const accepts = fc.constantFrom("*/*", "text/plain", "text/event-stream", "");
  await fc.assert(
    fc.asyncProperty(bodies, types, accepts, async (body, type, accept) => {
      const response = await send(worker, body, { "content-type": type, accept });
      const text = await response.text();
      expect(response.status, text).toBeLessThan(500);
      if (response.status !== 200) expectEnvelope(response, (JSON.parse(text) as { error: unknown }).error);
    }),
    { numRuns: 120 },
  );
  await worker.settled();
});
