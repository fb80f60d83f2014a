// POST /ask accepts every form of body that clients send. It refuses anything else with a code and, if a field is at fault, its name.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compose } from "../../src/core/request/compose.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { decodeUtf8, JSON_LIMITS } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { readAsk } from "../../src/core/request/read-ask.ts";
import type { Ask } from "../../src/contract/ask.ts";
import { UPSTREAM_FIELDS } from "../../src/contract/request-fields.ts";
import { readAccept } from "../../src/core/request/headers.ts";

const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";

const read = (body: string, type: string | null = JSON_TYPE, query = ""): Ask =>
  readAsk(body, type, new URLSearchParams(query), JSON_LIMITS.server);

/** Code and param of the Problem, or "accepted". */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.code} ${error.details.param ?? ""}`.trim();
  }
  return "accepted";
}
const refusalOf = (fields: unknown, query = ""): string =>
  refusal(() => read(JSON.stringify(fields), JSON_TYPE, query));

describe("the forms of a body", () => {
  const messages = [{ role: "user", content: "hi" }];
  test.each<[string, string, string | null, object]>([
    ["JSON", '{"input":"hi","temperature":0.2}', JSON_TYPE, { input: "hi", temperature: 0.2 }],
    ["JSON with a charset", '{"input":"hi"}', "application/json; charset=utf-8", { input: "hi" }],
    ["JSON with a quoted charset in capitals", '{"input":"hi"}', 'Application/JSON; Charset="UTF-8"', { input: "hi" }],
    ["JSON of a vendor's type", '{"input":"hi"}', "application/vnd.api+json", { input: "hi" }],
    ["JSON without a content type", ' {"input":"hi","stream":true}\n', null, { input: "hi", stream: true }],
    ["JSON as curl -d sends it", '{"input":"hi"}', FORM, { input: "hi" }],
    ["JSON as text", '{"input":[{"role":"user","content":"hi"}]}', "text/plain", { input: messages }],
    ["text as curl -d sends it", "What is 1+1? 100% sure & so on", FORM, { input: "What is 1+1? 100% sure & so on" }],
    ["text", "What is this?", "text/plain", { input: "What is this?" }],
    ["text with white space at both ends", "  a\n\tb\n", "text/plain;charset=us-ascii", { input: "  a\n\tb\n" }],
    ["Markdown", "# Title\n\nText", "text/markdown; charset=UTF-8", { input: "# Title\n\nText" }],
    ["text without a content type", "What is this?", null, { input: "What is this?" }],
    ["an empty content type", "What is this?", "", { input: "What is this?" }],
    [
      "text that looks like JSON",
      '{"a": 1} what does this mean?',
      "text/plain",
      { input: '{"a": 1} what does this mean?' },
    ],
    ["a JSON object without input, sent as text", '{"a":1}', "text/plain", { input: '{"a":1}' }],
    ["a JSON list, sent as text", "[1,2]", "text/plain", { input: "[1,2]" }],
    [
      "a form",
      "input=What%20is+it%3F&temperature=0.2&stream=true",
      FORM,
      { input: "What is it?", temperature: 0.2, stream: true },
    ],
    ["a form's input is always text", "input=42&user=7", FORM, { input: "42", user: "7" }],
    [
      "a form's text fields are text, even if they look like numbers",
      "input=a&prompt_cache_key=42&safety_identifier=1&service_tier=2&truncation=3&prompt_cache_retention=24",
      FORM,
      {
        input: "a",
        prompt_cache_key: "42",
        safety_identifier: "1",
        service_tier: "2",
        truncation: "3",
        prompt_cache_retention: "24",
      },
    ],
    [
      "a form's other fields are JSON if they parse",
      `schema=${encodeURIComponent('{"type":"object"}')}&reasoning=low&max_output_tokens=16&input=a&cache=false`,
      FORM,
      { input: "a", schema: { type: "object" }, reasoning: "low", max_output_tokens: 16, cache: false },
    ],
    [
      "a form's empty field",
      "preset=support&input=hi&instructions=",
      FORM,
      { input: "hi", preset: "support", instructions: "" },
    ],
    [
      "null, which SDKs send for fields that are not set",
      '{"input":"hi","temperature":null,"preset":null,"background":null,"unknown":null}',
      JSON_TYPE,
      { input: "hi" },
    ],
  ])("%s", (_, body, type, ask) => {
    expect(read(body, type)).toEqual(ask);
  });

  test("a byte order mark is not part of the input", () => {
    expect(read(decodeUtf8(new TextEncoder().encode('\uFEFF{"input":"hi"}')))).toEqual({ input: "hi" });
    expect(read(decodeUtf8(new TextEncoder().encode("\uFEFFhi")), "text/plain")).toEqual({ input: "hi" });
  });

  test.each<[string, string, string | null, string]>([
    ["an empty body", "", null, "invalid_request input"],
    ["an empty text body", "", "text/plain", "invalid_request input"],
    ["white space", " \n", "text/plain", "invalid_request input"],
    ["an empty JSON body", "", JSON_TYPE, "invalid_json"],
    ["an incomplete JSON object", '{"input":"hi"', JSON_TYPE, "invalid_json"],
    ["two JSON objects", '{"input":"hi"}{}', JSON_TYPE, "invalid_json"],
    ["text that claims to be JSON", "hi", JSON_TYPE, "invalid_json"],
    ["a JSON string", '"hi"', JSON_TYPE, "invalid_request"],
    ["a JSON list", "[]", JSON_TYPE, "invalid_request"],
    ["JSON null", "null", JSON_TYPE, "invalid_request"],
    ["an object without input", "{}", JSON_TYPE, "invalid_request input"],
    ["input null", '{"input":null}', JSON_TYPE, "invalid_request input"],
    ["input null as text", '{"input":null}', "text/plain", "invalid_request input"],
    ["an empty input", '{"input":""}', JSON_TYPE, "invalid_request input"],
    ["an empty list", '{"input":[]}', JSON_TYPE, "invalid_request input"],
    ["a number as input", '{"input":7}', JSON_TYPE, "invalid_request input"],
    ["a form with an empty input", "input=", FORM, "invalid_request input"],
    ["a form field twice", "input=a&input=b", FORM, "invalid_request input"],
    ["a form field named __proto__", "input=a&__proto__=b", FORM, "invalid_request __proto__"],
    ["an unknown form field", "input=a&constructor=b", FORM, "unknown_parameter constructor"],
    ["a charset other than UTF-8", "hi", "text/plain; charset=iso-8859-1", "unsupported_media_type"],
    ["an image", "hi", "image/png", "unsupported_media_type"],
    ["a multipart form", "hi", "multipart/form-data; boundary=x", "unsupported_media_type"],
    ["binary data", "hi", "application/octet-stream", "unsupported_media_type"],
  ])("%s is refused", (_, body, type, expected) => {
    expect(refusal(() => read(body, type))).toBe(expected);
  });

  test("bytes that are not UTF-8 are refused", () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
      expect(refusal(() => decodeUtf8(Uint8Array.from(bytes)))).toBe("invalid_request");
    }
  });
});

describe("the query", () => {
  test.each<[string, object]>([
    ["preset=support", { preset: "support" }],
    ["previous_response_id=resp_1", { previous_response_id: "resp_1" }],
    ["stream", { stream: true }],
    ["stream=1", { stream: true }],
    ["stream=true&preset=a", { stream: true, preset: "a" }],
    ["stream=false", { stream: false }],
    ["stream=0", { stream: false }],
  ])("?%s sets the field", (query, fields) => {
    expect(read("hi", "text/plain", query)).toEqual({ input: "hi", ...fields });
    expect(read('{"input":"hi","preset":null,"stream":null}', JSON_TYPE, query)).toEqual({ input: "hi", ...fields });
  });

  test.each<[string, object, string]>([
    ["preset=a", { preset: "b" }, "invalid_request preset"],
    ["preset=a&preset=b", {}, "invalid_request preset"],
    ["stream=true", { stream: false }, "invalid_request stream"],
    ["stream=maybe", {}, "invalid_request stream"],
    ["previous_response_id=", {}, "invalid_request previous_response_id"],
    ["model=x", {}, "unknown_parameter model"],
    ["__proto__=x", {}, "unknown_parameter __proto__"],
    ["stream=true", { stream: true }, "accepted"],
    ["preset=a", { preset: "a" }, "accepted"],
  ])("?%s with the body %j: %s", (query, fields, expected) => {
    expect(refusalOf({ input: "hi", ...fields }, query)).toBe(expected);
  });
});

describe("Accept", () => {
  test.each<[string | null, "json" | "text", boolean]>([
    [null, "json", false],
    ["", "json", false],
    ["*/*", "json", false],
    ["application/json", "json", false],
    ["text/plain", "text", false],
    ["Text/Plain; charset=utf-8", "text", false],
    ["text/event-stream", "json", true],
    ["text/event-stream, application/json", "json", true],
    ["application/json, text/event-stream", "json", false],
    ["application/json;q=0.5, text/event-stream", "json", true],
    ["text/plain;q=0.1, application/json;q=0.9", "json", false],
    ["text/plain;q=0", "json", false],
    ["text/plain;q=nonsense", "json", false],
    ["text/html, text/plain;q=0.2", "text", false],
    ["text/*", "json", false],
  ])("%j requests %s, events: %s", (accept, form, events) => {
    expect(readAccept(accept)).toEqual({ form, events });
  });
});

describe("a body is accepted or refused with a 4xx", () => {
  const config = defineConfig({
    defaults: { model: "gpt-6-sol" },
    limits: { max_input_chars: 50, max_output_tokens: 9 },
  });
  const types = fc.constantFrom(null, JSON_TYPE, FORM, "text/plain", "text/plain; charset=x", "a+json", "image/png");
  const assertAcceptedOr4xx = (bytes: Uint8Array, type: string | null, query: string): void => {
    try {
      compose(readAsk(decodeUtf8(bytes), type, new URLSearchParams(query), JSON_LIMITS.server), config);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      expect(error.status).toBeGreaterThanOrEqual(400);
      expect(error.status).toBeLessThan(500);
    }
  };
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("for arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), types, fc.string(), (bytes, type, query) =>
        assertAcceptedOr4xx(bytes, type, query),
      ),
    );
  });

  test("for arbitrary JSON, and for arbitrary values of known fields, as JSON and as a form", () => {
    const fields = fc.constantFrom(
      "input",
      "preset",
      "stream",
      "schema",
      "images",
      "cache",
      "model",
      ...Object.keys(UPSTREAM_FIELDS),
    );
    const body = fc.oneof(fc.jsonValue(), fc.dictionary(fields, fc.jsonValue()));
    const input = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.array(fc.dictionary(fc.constantFrom("role", "content", "type"), fc.jsonValue())),
    );
    fc.assert(fc.property(body, types, (value, type) => assertAcceptedOr4xx(encode(JSON.stringify(value)), type, "")));
    fc.assert(
      fc.property(fc.dictionary(fields, fc.jsonValue()), input, (value, input) => {
        assertAcceptedOr4xx(encode(JSON.stringify({ ...value, input })), JSON_TYPE, "stream");
        const form = new URLSearchParams(Object.entries(value).map(([name, inner]) => [name, JSON.stringify(inner)]));
        assertAcceptedOr4xx(encode(`input=x&${form.toString()}`), FORM, "");
      }),
    );
  });
});
