// The log line of an unexpected throw: the frames of its stack, and no part of its message.
import { describe, expect, test } from "vitest";
import { Problem, toProblem } from "../../src/core/lib/problem.ts";
import { createLog } from "../../src/platform/log.ts";

const CANARY = "sk-canary-prompt-of-a-caller";

interface Line {
  level: string;
  event: string;
  request_id: string;
  error: string;
  stack?: string[];
  cause?: Line;
}

/** The log lines of a thrown value, and their text. */
function logOf(thrown: unknown): { lines: Line[]; text: string } {
  const written: string[] = [];
  createLog((line) => void written.push(line), undefined).exception("req_1", toProblem(thrown));
  return { lines: written.map((line) => JSON.parse(line) as Line), text: written.join("\n") };
}

function fail(): never {
  throw new Error(CANARY);
}

function failIn(message: string): Error {
  return new TypeError(message);
}

const MESSAGES: [name: string, message: string][] = [
  ["one line", CANARY],
  ["several lines", `first\n${CANARY}\n\n${CANARY}`],
  ["lines like frames", `x\n    at ${CANARY} (index.js:1:1)\n    at async ${CANARY} (file:///index.js:2:2)`],
  ["a line like the head of another error", `x\nTypeError: ${CANARY}\n    at ${CANARY}`],
  ["zero characters", ""],
];

describe("the log line of an unexpected throw", () => {
  test.each(MESSAGES)("has the request's id, the class and the frames, but not a message of %s", (_name, message) => {
    const { lines, text } = logOf(failIn(message));
    expect(lines).toEqual([
      { level: "error", event: "exception", request_id: "req_1", error: "TypeError", stack: expect.any(Array) as [] },
    ]);
    const [{ stack = [] } = { stack: [] }] = lines;
    expect(stack[0]).toMatch(/^failIn \(.*log\.test\.ts:\d+:\d+\)$/);
    expect(stack.filter((frame) => frame.includes("\n"))).toEqual([]);
    expect(text).not.toContain(CANARY);
  });

  test.each(MESSAGES)("does not have a message of %s that was changed after the throw", (_name, message) => {
    const error = failIn(message);
    error.message = "x";
    const { lines, text } = logOf(error);
    expect(lines[0]?.stack?.[0]).toMatch(/^failIn /);
    expect(text).not.toContain(CANARY);
  });

  test.each([
    ["a string", CANARY, "string"],
    ["an object", { message: CANARY, stack: CANARY, name: CANARY }, "object"],
    ["undefined", undefined, "undefined"],
    ["null", null, "object"],
  ])("is written even if %s is thrown, which has no stack", (_name, thrown, type) => {
    const { lines, text } = logOf(thrown);
    expect(lines).toEqual([{ level: "error", event: "exception", request_id: "req_1", error: type }]);
    expect(text).not.toContain(CANARY);
  });

  test("has the frames of its causes, which may be anything and form a cycle", () => {
    const inner = new RangeError(CANARY, { cause: CANARY });
    expect(logOf(new Error(CANARY, { cause: inner })).lines[0]).toMatchObject({
      error: "Error",
      cause: { error: "RangeError", stack: expect.any(Array) as [], cause: { error: "string" } },
    });
    const circle = new Error(CANARY);
    circle.cause = circle;
    const { lines, text } = logOf(circle);
    expect(lines).toHaveLength(1);
    expect(text).not.toContain(CANARY);
  });

  test("has no frames if only the text of the stack remains", () => {
    const read = failIn(CANARY);
    expect(read.stack).toContain(CANARY);
    const replaced = failIn(CANARY);
    Object.defineProperty(replaced, "stack", { value: `TypeError: ${CANARY}\n    at ${CANARY} (index.js:1:1)` });
    for (const error of [read, replaced])
      expect(logOf(error).lines).toEqual([
        { level: "error", event: "exception", request_id: "req_1", error: "TypeError" },
      ]);
  });

  test("does not have a class name that is arbitrary text", () => {
    const error = failIn("x");
    error.name = `Error: ${CANARY}`;
    expect(logOf(error).lines[0]).toMatchObject({ error: "Error" });
    expect(logOf(error).text).not.toContain(CANARY);
  });
});

test.each<[string, () => unknown]>([
  [
    "a stack and a name from a caller's JSON",
    () => Object.assign(new Error("x"), JSON.parse(`{"stack":["${CANARY}",{"a":1}],"name":"sk_live_0123456789"}`)),
  ],
  ["a name that could be a key", () => Object.assign(new Error("x"), { name: "sk_live_0123456789" })],
  [
    "getters that throw",
    () => Object.defineProperties(new Error("x"), { name: { get: fail }, cause: { get: fail }, stack: { get: fail } }),
  ],
  [
    "traps that throw",
    () => new Proxy(new Error("x"), { get: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail }),
  ],
  ["a cause whose traps throw", () => new Error("x", { cause: new Proxy(new Error("y"), { getPrototypeOf: fail }) })],
])("an error with %s causes one log line without a secret", (_name, make) => {
  const { lines, text } = logOf(make());
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ event: "exception", request_id: "req_1" });
  expect(text).not.toMatch(/canary|sk_live/);
});

test("an error that is logged twice has its frames both times", () => {
  const error = failIn(CANARY);
  const [first, second] = [logOf(error), logOf(error)];
  expect(first.lines[0]?.stack?.[0]).toMatch(/^failIn /);
  expect(second.lines).toEqual(first.lines);
});

test("a warning names the class of its error, and nothing that other code has put into its name", () => {
  const written: string[] = [];
  const { warn } = createLog((line) => void written.push(line), undefined);
  warn("kv_failed", Object.assign(new Error("x"), { name: CANARY }));
  warn("kv_failed", new DOMException("x", "AbortError"));
  expect(written.map((line) => (JSON.parse(line) as Line).error)).toEqual(["Error", "AbortError"]);
});

test("an expected Problem writes no log line of an exception", () => {
  expect(logOf(new Problem("upstream_error", CANARY)).lines).toEqual([]);
});

test("other code still gets stacks as strings", () => {
  logOf(failIn("x"));
  expect(new Error("mine").stack).toMatch(/^Error: mine\n {4}at /);
});
