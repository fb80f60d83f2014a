// The upstream body: the request overrides the preset, the preset overrides the defaults, and caps always apply.
import { describe, expect, test } from "vitest";
import { compose, type Composed } from "../../src/core/request/compose.ts";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import type { Ask, UpstreamFields } from "../../src/contract/ask.ts";
import { FIELD_VALUES } from "../support/field-values.ts";

const composeAsk = (ask: Partial<Ask>, config: ConfigInput = {}): Composed =>
  compose({ input: "hi", ...ask }, defineConfig({ defaults: { model: "base" }, ...config }));

function refusal(ask: Partial<Ask>, config: ConfigInput = {}): string {
  try {
    composeAsk(ask, config);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.status} ${error.code} ${error.details.param ?? ""}`.trim();
  }
  return "accepted";
}

const fields = Object.keys(FIELD_VALUES) as (keyof UpstreamFields)[];

describe("precedence of request, preset and defaults", () => {
  test.each(fields)("%s in the request overrides the preset's value, which overrides the default", (name) => {
    const [requested, preset, base] = FIELD_VALUES[name];
    const defaults = { model: "base", [name]: base };
    const config = { defaults, presets: { own: { [name]: preset }, plain: {} } } as ConfigInput;
    const value = (ask: Partial<Ask>): unknown => composeAsk(ask, config).body[name];
    expect(value({ preset: "own", [name]: requested })).toEqual(requested);
    expect(value({ preset: "own" })).toEqual(preset);
    expect(value({ preset: "plain" })).toEqual(base);
    expect(value({})).toEqual(base);
    expect(value({ [name]: requested })).toEqual(requested);
  });

  test("fields that are not set, and the Worker's own fields, are not sent", () => {
    const config = {
      presets: {
        own: { images: true, max_turns: 3, allow: ["model" as const], cache: false as const, fallback: ["x"] },
      },
    };
    expect(composeAsk({ preset: "own", stream: true, cache: 5, previous_response_id: "resp_1" }, config).body).toEqual({
      input: "hi",
      model: "base",
    });
  });
});

describe("caps", () => {
  const cappedTokens = (ask: Partial<Ask>, config: ConfigInput): unknown =>
    composeAsk(ask, { limits: { max_output_tokens: 100 }, ...config }).body.max_output_tokens;

  test("max_output_tokens is at most the cap, wherever it was set", () => {
    expect(cappedTokens({ max_output_tokens: 500 }, {})).toBe(100);
    expect(cappedTokens({ max_output_tokens: 50 }, {})).toBe(50);
    expect(cappedTokens({}, { defaults: { model: "m", max_output_tokens: 500 } })).toBe(100);
    expect(cappedTokens({ preset: "p" }, { presets: { p: { max_output_tokens: 500 } } })).toBe(100);
    expect(cappedTokens({ preset: "p", max_output_tokens: 99 }, { presets: { p: { max_output_tokens: 5 } } })).toBe(99);
  });

  test("a request without max_output_tokens gets the cap", () => {
    expect(cappedTokens({}, {})).toBe(100);
    expect(composeAsk({}).body).not.toHaveProperty("max_output_tokens");
  });

  const limits = { max_input_chars: 5 };
  test.each<[string, Ask["input"], string]>([
    ["five characters", "12345", "accepted"],
    ["six characters", "123456", "413 payload_too_large input"],
    [
      "messages of five",
      [
        { role: "user", content: "12" },
        { role: "assistant", content: [{ type: "output_text", text: "345" }] },
      ],
      "accepted",
    ],
    [
      "messages of six",
      [
        { role: "user", content: "123" },
        { role: "user", content: [{ type: "input_text", text: "456" }] },
      ],
      "413 payload_too_large input",
    ],
    [
      "an image does not count",
      [{ role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,AAAAAAAA" }] }],
      "accepted",
    ],
    ["a tool's output counts", [{ type: "function_call_output", output: "123456" }], "413 payload_too_large input"],
  ])("max_input_chars: %s", (_, input, expected) => {
    expect(refusal({ input }, { limits })).toBe(expected);
  });
});

describe("models", () => {
  const models = ["a", "b"];
  test("a request may name listed models only; presets and defaults may name others", () => {
    expect(refusal({ model: "c" }, { models })).toBe("400 model_not_allowed model");
    expect(refusal({ model: "a" }, { models })).toBe("accepted");
    expect(composeAsk({}, { models }).body.model).toBe("base");
    expect(composeAsk({ preset: "p" }, { models, presets: { p: { model: "c" } } }).body.model).toBe("c");
    expect(refusal({ preset: "p", model: "c" }, { models, presets: { p: { model: "c" } } })).toBe(
      "400 model_not_allowed model",
    );
  });

  test("without a list any model may be named; a request without a model is refused", () => {
    expect(composeAsk({ model: "anything" }).body.model).toBe("anything");
    expect(refusal({}, { defaults: {} })).toBe("400 invalid_request model");
  });

  test("the preset's fallback list applies, except to a model that the request names", () => {
    const presets = { p: { model: "x", fallback: ["y", "z"] } };
    expect(composeAsk({ preset: "p" }, { presets }).models).toEqual(["x", "y", "z"]);
    expect(composeAsk({ preset: "p", model: "w" }, { presets }).models).toEqual(["w"]);
    expect(composeAsk({}).models).toEqual(["base"]);
  });
});

describe("presets", () => {
  test.each(["nope", "constructor", "__proto__", "toString", ""])("the unknown preset %j is refused", (preset) => {
    expect(refusal({ preset }, { presets: { support: {} } })).toBe("400 invalid_request preset");
  });

  test("the result contains the preset and its name", () => {
    const { preset } = composeAsk({ preset: "support" }, { presets: { support: { max_turns: 7 } } });
    expect(preset).toMatchObject({ name: "support", settings: { max_turns: 7 } });
  });
});

describe("short forms", () => {
  const schema = { type: "object", properties: { b: {}, a: {} } };

  test("schema becomes a strict json_schema format beside the other text settings, and the answer has data", () => {
    const { body, wantsData } = composeAsk({ schema, text: { verbosity: "low" } });
    expect(body.text).toEqual({
      verbosity: "low",
      format: { type: "json_schema", name: "answer", schema, strict: true },
    });
    expect(wantsData).toBe(true);
  });

  test.each<[unknown, string]>([
    ["Weather_1", "Weather_1"],
    ["two words", "answer"],
    ["", "answer"],
    [7, "answer"],
    ["x".repeat(65), "answer"],
  ])("the format of a schema with the title %j is named %j", (title, name) => {
    expect(composeAsk({ schema: { ...schema, title } }).body["text"]).toMatchObject({ format: { name } });
  });

  test("a schema replaces the preset's format, and is refused beside a format in the same request", () => {
    const presets = { p: { text: { format: { type: "json_object" }, verbosity: "low" } } };
    expect(composeAsk({ preset: "p", schema }, { presets }).body.text).toMatchObject({
      verbosity: "low",
      format: { type: "json_schema" },
    });
    expect(refusal({ schema, text: { format: { type: "text" } } })).toBe("400 invalid_request schema");
  });

  test.each<[Ask["text"], boolean]>([
    [undefined, false],
    [{ format: { type: "text" } }, false],
    [{ format: null }, false],
    [{ format: { type: "json_object" } }, true],
    [{ format: { type: "json_schema", name: "a", schema } }, true],
  ])("with text %j the answer has data: %s", (text, data) => {
    expect(composeAsk(text === undefined ? {} : { text }).wantsData).toBe(data);
  });

  test("reasoning as a string is its effort", () => {
    expect(composeAsk({ reasoning: "low" }).body.reasoning).toEqual({ effort: "low" });
    expect(composeAsk({ reasoning: { summary: "auto" } }).body.reasoning).toEqual({ summary: "auto" });
  });

  const url = "https://example.com/a.png";
  const part = { type: "input_image", image_url: url };
  test.each<[string, Ask["input"], unknown]>([
    ["a string", "hi", [{ role: "user", content: [{ type: "input_text", text: "hi" }, part] }]],
    [
      "a message",
      [{ role: "user", content: "hi" }],
      [{ role: "user", content: [{ type: "input_text", text: "hi" }, part] }],
    ],
    [
      "parts",
      [
        { role: "system", content: "s" },
        { role: "user", content: [part] },
      ],
      [
        { role: "system", content: "s" },
        { role: "user", content: [part, part] },
      ],
    ],
    ["a message without content", [{ role: "user" }], [{ role: "user", content: [part] }]],
  ])("images are appended to %s", (_, input, expected) => {
    expect(composeAsk({ input, images: [url] }).body.input).toEqual(expected);
  });

  test("images without a user message, and values that are not images, are refused with the name of the field", () => {
    expect(refusal({ input: [{ role: "assistant", content: "a" }], images: [url] })).toBe("400 invalid_request images");
    expect(refusal({ images: [url, "file:///etc/passwd"] })).toBe("400 invalid_request images[1]");
    expect(refusal({ images: ["data:text/html,x"] })).toBe("400 invalid_request images[0]");
    expect(refusal({ images: ["data:image/png;base64,AA=="] })).toBe("accepted");
    expect(composeAsk({ images: [] }).body.input).toBe("hi");
  });

  test("compose() does not mutate the Ask", () => {
    const input = [Object.freeze({ role: "user", content: Object.freeze(["a"]) })];
    const ask = Object.freeze({ input: Object.freeze(input), images: Object.freeze([url]), reasoning: "low" });
    expect(() => compose(ask as unknown as Ask, defineConfig({ defaults: { model: "m" } }))).not.toThrow();
  });
});
