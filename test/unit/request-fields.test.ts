// The table of request fields against the code that it governs: each body, the query, presets, both restrictions and the document.
import { describe, expect, test } from "vitest";
import { Ask, JobRequest, ResponsesRequest, UpstreamFields } from "../../src/contract/ask.ts";
import {
  IDENTITY_FIELDS,
  type OwnField,
  OWN_FIELDS,
  REFUSED_FIELDS,
  REQUEST_FIELDS,
  UPSTREAM_FIELDS,
} from "../../src/contract/request-fields.ts";
import { type Config, type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { JSON_LIMITS, type JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { parseAsk, readAsk } from "../../src/core/request/read-ask.ts";
import { readResponses } from "../../src/core/request/read-responses.ts";
import { restrictAsk, restrictResponses } from "../../src/core/request/restrict.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { changedValueOf } from "../support/field-values.ts";
import type { OpenApi } from "../support/openapi.ts";

const upstream = Object.keys(UPSTREAM_FIELDS);
const ownIn = (place: OwnField["in"][number]): string[] =>
  Object.entries<OwnField>(OWN_FIELDS).flatMap(([name, row]) => (row.in.includes(place) ? [name] : []));
const JSON_TYPE = "application/json";

/** The `param` of the Problem that a function throws, or undefined. */
function refusedParam(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.details.param;
  }
  return undefined;
}

test("no request field is in two groups", () => {
  const names = [...upstream, ...Object.keys(OWN_FIELDS), ...Object.keys(REFUSED_FIELDS)];
  expect(new Set(names).size).toBe(names.length);
  expect([...REQUEST_FIELDS.keys()]).toEqual([...upstream, ...Object.keys(OWN_FIELDS)]);
});

describe("the fields that the table lists are those of", () => {
  test("the bodies of /ask and /jobs", () => {
    expect(Object.keys(Ask.shape).toSorted()).toEqual([...upstream, ...ownIn("ask")].toSorted());
    expect(Object.keys(JobRequest.shape).toSorted()).toEqual([...upstream, ...ownIn("jobs")].toSorted());
  });

  test("the body of /v1/responses", () => {
    const described = [...REQUEST_FIELDS].flatMap(([name, row]) => (row.responses === undefined ? [] : [name]));
    expect(Object.keys(ResponsesRequest.shape).toSorted()).toEqual(described.toSorted());
  });

  test("presets and defaults", () => {
    expect(Object.keys(UpstreamFields.shape)).toEqual(upstream);
  });

  test("the query of /ask, in the code and in the document", () => {
    const document = openApiDocument("1.0.0") as unknown as OpenApi;
    const parameters = document.paths["/ask"]?.["post"]?.parameters ?? [];
    expect(parameters.flatMap((parameter) => (parameter.in === "query" ? [parameter.name] : []))).toEqual(
      ownIn("query"),
    );
    for (const name of REQUEST_FIELDS.keys()) {
      const query = new URLSearchParams({ [name]: "true" });
      const refused = refusedParam(() => readAsk('{"input":"hi"}', JSON_TYPE, query, JSON_LIMITS.server)) === name;
      expect(refused, name).toBe(!ownIn("query").includes(name));
    }
  });
});

/** Valid values of the Worker's own fields. */
const OWN_VALUES: Record<string, unknown> = {
  input: "hi",
  preset: "p",
  previous_response_id: "resp_1",
  stream: true,
  schema: { type: "object" },
  images: ["data:image/png;base64,AAAA"],
  cache: false,
};
const valueOf = (name: string): unknown => OWN_VALUES[name] ?? changedValueOf(name as keyof UpstreamFields);

describe("restricted callers", () => {
  const configOf = (preset: NonNullable<ConfigInput["presets"]>[string]): Config =>
    defineConfig({ defaults: { model: "base" }, presets: { p: preset } });
  const CLOSED = configOf({});
  const rows = [...REQUEST_FIELDS].filter(([name]) => name !== "callback");

  const isOpenOnAsk = (name: string, config: Config): boolean => {
    const ask = parseAsk({ input: "hi", [name]: valueOf(name) });
    const refused = refusedParam(() => restrictAsk(ask, 10, { presets: ["p"] }, config));
    if (refused !== undefined) expect(refused).toBe(name);
    return refused === undefined;
  };
  const isOpenOnResponses = (name: string, config: Config): boolean => {
    const body: JsonObject = { input: "hi", model: "p", [name]: valueOf(name) };
    const request = readResponses(JSON.stringify(body), JSON_TYPE, JSON_LIMITS.server);
    return refusedParam(() => restrictResponses(request, 10, { presets: ["p"] }, config)) === undefined;
  };

  test.each(rows)("may set %s if and only if the table says so", (name, row) => {
    const allowed = row.allowedAs ?? name;
    const allows = upstream.includes(allowed) && !IDENTITY_FIELDS.has(allowed);
    const open = allows ? configOf({ allow: [allowed as keyof UpstreamFields] }) : CLOSED;
    const withImages = configOf({ images: true });
    const { restricted } = row;
    expect(isOpenOnAsk(name, CLOSED)).toBe(restricted === "always");
    expect(isOpenOnAsk(name, open)).toBe(restricted === "always" || restricted === "allow");
    expect(isOpenOnAsk(name, withImages)).toBe(restricted === "always" || restricted === "images");
    // On /v1/responses, `model` names the preset.
    if (name === "model") return;
    const exists = upstream.includes(name) || row.responses !== undefined;
    expect(isOpenOnResponses(name, CLOSED)).toBe(exists && restricted === "always");
    expect(isOpenOnResponses(name, open)).toBe(exists && (restricted === "always" || restricted === "allow"));
  });

  test("a preset's `allow` may list every upstream field except those that name the caller", () => {
    for (const name of upstream) {
      const define = (): Config => configOf({ allow: [name as keyof UpstreamFields] });
      if (IDENTITY_FIELDS.has(name)) expect(define, name).toThrow("must not be");
      else expect(define, name).not.toThrow();
    }
    expect([...IDENTITY_FIELDS]).toEqual(["user", "safety_identifier", "prompt_cache_key"]);
  });

  test("find every field that they may always set named in the document", () => {
    const { paths } = openApiDocument("1.0.0") as { paths: Record<string, { post: { description: string } }> };
    for (const [name, { restricted }] of REQUEST_FIELDS)
      if (restricted === "always") expect(paths["/ask"]?.post.description, name).toContain(`\`${name}\``);
  });
});

test("in a form, the value of a text field is a string, and that of any other field is JSON", () => {
  for (const [name, row] of REQUEST_FIELDS) {
    if (name === "callback") continue;
    const form = new URLSearchParams({ input: "hi", [name]: "7" }).toString();
    const type = "application/x-www-form-urlencoded";
    const accepted = refusedParam(() => readAsk(form, type, [], JSON_LIMITS.server)) === undefined;
    const schema = Ask.shape[name as keyof typeof Ask.shape];
    const isText = row.plainText === true || row.schema.def.type === "string";
    expect(accepted, name).toBe(schema.safeParse(isText ? "7" : 7).success);
  }
});
