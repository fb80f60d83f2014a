// The curl command and the code that the console shows: a shell reads the question unchanged, and neither holds a credential.
import { execFileSync } from "node:child_process";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { type SnippetRequest, clientCode, curlLine } from "../../src/console/chat/model/snippets.ts";

const question: SnippetRequest = {
  origin: "http://localhost:8787",
  signedIn: true,
  input: 'It\'s "quoted", costs $5 \\ `id` %s\nand has lines',
  previousId: "resp_ue1_abc",
  fields: { model: "gpt-6-sol", schema: { type: "object", properties: { name: { type: "string" } } } },
};
const BODY = { input: question.input, previous_response_id: "resp_ue1_abc", ...question.fields };

/** The arguments that curl would get. */
function argumentsOf(line: string): string[] {
  const script = `curl() { for each in "$@"; do printf '%s\\0' "$each"; done; }\n${line}`;
  const env = { UNIAPI_EDGE_KEY: "the key" };
  return execFileSync("/bin/sh", ["-c", script], { encoding: "utf8", env }).split("\0").slice(0, -1);
}

test("in a shell, the curl command passes any body unchanged and inserts the key", () => {
  const [, url, , authorization, , type, , body = ""] = argumentsOf(curlLine(question));
  expect([url, authorization, type]).toEqual([
    "http://localhost:8787/ask",
    "Authorization: Bearer the key",
    "Content-Type: application/json",
  ]);
  expect(JSON.parse(body)).toEqual({ ...BODY, stream: true });
});

test("the client code sends the same question", () => {
  const code = clientCode(question);
  const [, body = ""] = /client\.stream\(([\s\S]*)\)\) \{/.exec(code) ?? [];
  expect(runInNewContext(`(${body})`)).toEqual(BODY);
  expect(code).toContain('createClient({ url: "http://localhost:8787", token: process.env.UNIAPI_EDGE_KEY })');
});

test("without a sign-in, neither command nor code sends a credential", () => {
  const anonymous = { ...question, signedIn: false };
  expect(curlLine(anonymous)).not.toContain("Authorization");
  expect(clientCode(anonymous)).not.toContain("token");
});

test("the curl command sends input items unchanged", () => {
  const input = [{ type: "function_call_output", call_id: "call_1", output: "Sunny." }];
  expect(JSON.parse(argumentsOf(curlLine({ ...question, input })).at(-1) ?? "")).toMatchObject({ input });
});
