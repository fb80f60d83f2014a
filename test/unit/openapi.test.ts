// The document of /openapi.json: it is valid OpenAPI, it has every failure, and its examples match its schemas.
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { PROBLEMS } from "../../src/core/lib/problem.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { exchangesOf, judge, type OpenApi, operationsOf } from "../support/openapi.ts";
import { DEFAULTS } from "../../src/contract/response.ts";
import { isBodilessResume } from "../../src/core/request/headers.ts";

const document = JSON.parse(JSON.stringify(openApiDocument("1.2.3"))) as OpenApi;
const EXCHANGES = exchangesOf(document);
const { request, answer: judged } = judge(document);

test("the document is valid OpenAPI 3.1 for a third-party validator", async () => {
  const validator = new Validator();
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
  expect(validator.version).toBe("3.1");
});

test("every code is a response of some operation, and of /ask if /ask can return it", () => {
  const statuses = new Set(operationsOf(document).flatMap(({ operation }) => Object.keys(operation.responses)));
  const ask = Object.keys(document.paths["/ask"]?.["post"]?.responses ?? {});
  for (const [code, [status]] of Object.entries(PROBLEMS)) {
    // These belong to methods that are no operations.
    if (code === "method_not_allowed" || code === "upgrade_required") continue;
    expect(statuses).toContain(String(status));
    if (status !== 404) expect(ask).toContain(String(status));
  }
});

test("the document requires every key that the Worker adds to a response object", () => {
  const required = document.components.schemas["Response"]?.["required"] as string[];
  expect(required).toEqual(expect.arrayContaining(Object.keys(DEFAULTS)));
});

test.each(EXCHANGES.map((exchange) => [`${exchange.operationId}: ${exchange.name}`, exchange] as const))(
  "the example %s matches the document",
  (_, { body, answer, status, ...of }) => {
    const isJson = (type: string): boolean => type === "application/json";
    // A body that is refused need not match.
    if (body !== undefined && isJson(body.type) && status < 400) expect(request(of, body.type, body.value)).toBe(null);
    if (isJson(answer.type)) expect(judged(of, { status, type: answer.type, body: answer.value })).toBe(null);
  },
);

test("a body that may be absent is not required, and the document says when it may be absent", () => {
  const bodies = operationsOf(document).flatMap(({ path, operation: { operationId, requestBody } }) =>
    requestBody === undefined ? [] : [{ path, operationId, ...requestBody }],
  );
  const absent = bodies.filter(({ required }) => !required);
  expect(absent.map(({ path }) => path)).toEqual(["/ask"]);
  for (const { operationId, description } of absent) {
    for (const header of ["Idempotency-Key", "Last-Event-ID"]) expect(description).toContain(`\`${header}\``);
    const shown = EXCHANGES.filter(({ body, ...of }) => of.operationId === operationId && body === undefined);
    expect(shown.map(({ status, parameters }) => [status, parameters.map(({ name }) => name)])).toEqual([
      [200, ["Idempotency-Key", "Last-Event-ID"]],
    ]);
    const [given] = shown;
    const headers = new Headers(given?.parameters.map(({ name, value }): [string, string] => [name, value]));
    expect(isBodilessResume(headers, "")).toBe(true);
  }
  // No other example omits its body.
  for (const { operationId, required } of bodies) {
    const without = EXCHANGES.filter(({ body, ...of }) => of.operationId === operationId && body === undefined);
    expect(required && without.length > 0).toBe(false);
  }
});

test("every operation has an example that succeeds, except the two files", () => {
  const succeeds = new Set(EXCHANGES.flatMap(({ operationId, status }) => (status < 300 ? [operationId] : [])));
  const without = operationsOf(document).flatMap(({ operation }) =>
    succeeds.has(operation.operationId) ? [] : [operation.operationId],
  );
  expect(without).toEqual(["getClient", "getDescription"]);
});
