// The table of item types agrees with the types of OpenAI's SDK, and a replay of each type has every key that the SDK's type requires.
import type { EasyInputMessage, ResponseInputItem } from "openai/resources/responses/responses";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRecord, type JsonObject } from "../../src/core/lib/json.ts";
import { ITEM_TYPES, portabilityOf } from "../../src/core/turns/item-types.ts";
import { replayInput } from "../../src/core/turns/replay-input.ts";
import type { Turn } from "../../src/core/turns/turn.ts";

type ItemTypeName = NonNullable<ResponseInputItem["type"]>;
type RequiredKeys<Item> = {
  [Key in keyof Item]-?: Pick<Partial<Item>, Key> extends Pick<Item, Key> ? never : Key;
}[keyof Item];
/** A message has three variants. The one that any backend accepts is the one that requires the fewest keys. */
type ItemOf<Name> = Name extends "message"
  ? EasyInputMessage
  : Name extends "item_reference"
    ? ResponseInputItem.ItemReference
    : Extract<ResponseInputItem, { type: Name }>;
type Equal<A, B> = [A, B] extends [B, A] ? true : false;

// These lines compile only if the table has the SDK's types, and for each type the SDK's required keys.
true satisfies Equal<keyof typeof ITEM_TYPES, ItemTypeName>;
({}) as {
  [Name in ItemTypeName]: Equal<
    (typeof ITEM_TYPES)[Name]["required"][number],
    Exclude<RequiredKeys<ItemOf<Name>>, "type">
  >;
} satisfies Record<ItemTypeName, true>;

/** An item of every type, with each key that its type requires. */
const SAMPLES: { [Name in ItemTypeName]: ItemOf<Name> } = {
  message: { type: "message", role: "user", content: "hi" },
  function_call: { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" },
  function_call_output: { type: "function_call_output", call_id: "call_1", output: "1" },
  custom_tool_call: { type: "custom_tool_call", call_id: "call_2", name: "f", input: "x" },
  custom_tool_call_output: { type: "custom_tool_call_output", call_id: "call_2", output: "1" },
  computer_call: {
    type: "computer_call",
    id: "cu_1",
    call_id: "call_3",
    action: { type: "screenshot" },
    pending_safety_checks: [],
    status: "completed",
  },
  computer_call_output: {
    type: "computer_call_output",
    call_id: "call_3",
    output: { type: "computer_screenshot", image_url: "data:image/png;base64,AAAA" },
  },
  local_shell_call: {
    type: "local_shell_call",
    id: "lsh_1",
    call_id: "call_4",
    action: { type: "exec", command: ["ls"], env: {} },
    status: "completed",
  },
  local_shell_call_output: { type: "local_shell_call_output", id: "lsh_1", output: "a" },
  shell_call: { type: "shell_call", call_id: "call_5", action: { commands: ["ls"] } },
  shell_call_output: { type: "shell_call_output", call_id: "call_5", output: [] },
  apply_patch_call: {
    type: "apply_patch_call",
    call_id: "call_6",
    operation: { type: "delete_file", path: "a" },
    status: "completed",
  },
  apply_patch_call_output: { type: "apply_patch_call_output", call_id: "call_6", status: "completed" },
  tool_search_call: { type: "tool_search_call", call_id: "call_7", execution: "client", arguments: { query: "x" } },
  tool_search_output: { type: "tool_search_output", call_id: "call_7", execution: "client", tools: [] },
  mcp_approval_request: { type: "mcp_approval_request", id: "mcpr_1", server_label: "s", name: "n", arguments: "{}" },
  mcp_approval_response: { type: "mcp_approval_response", approval_request_id: "mcpr_1", approve: true },
  image_generation_call: { type: "image_generation_call", id: "ig_1", result: "AAAA", status: "completed" },
  additional_tools: { type: "additional_tools", role: "developer", tools: [] },
  configuration_update: { type: "configuration_update" },
  compaction: { type: "compaction", encrypted_content: "x" },
  compaction_trigger: { type: "compaction_trigger" },
  reasoning: { type: "reasoning", id: "rs_1", summary: [] },
  file_search_call: { type: "file_search_call", id: "fs_1", queries: [], status: "completed" },
  web_search_call: { type: "web_search_call", id: "ws_1", action: { type: "search", query: "x" }, status: "completed" },
  code_interpreter_call: {
    type: "code_interpreter_call",
    id: "ci_1",
    code: "1",
    container_id: "c",
    outputs: [],
    status: "completed",
  },
  mcp_list_tools: { type: "mcp_list_tools", id: "mcpl_1", server_label: "s", tools: [] },
  mcp_call: { type: "mcp_call", id: "mcp_1", server_label: "s", name: "n", arguments: "{}" },
  program: { type: "program", id: "prog_1", call_id: "call_8", code: "1", fingerprint: "f" },
  program_output: { type: "program_output", id: "out_1", call_id: "call_8", result: "1", status: "completed" },
  item_reference: { type: "item_reference", id: "msg_1" },
};
const TYPES = Object.keys(SAMPLES) as ItemTypeName[];
const sampleOf = (type: ItemTypeName): JsonObject => ({ ...SAMPLES[type] });
/** The call that an output answers, and the output that answers a call. */
const CALL_OF: Partial<Record<ItemTypeName, ItemTypeName>> = {
  function_call_output: "function_call",
  custom_tool_call_output: "custom_tool_call",
  computer_call_output: "computer_call",
  local_shell_call_output: "local_shell_call",
  shell_call_output: "shell_call",
  apply_patch_call_output: "apply_patch_call",
  tool_search_output: "tool_search_call",
  mcp_approval_response: "mcp_approval_request",
};
const ANSWER_OF = Object.fromEntries(Object.entries(CALL_OF).map(([answer, call]) => [call, answer as ItemTypeName]));

const turn = (input: JsonObject[], output: JsonObject[]): Turn => ({
  id: "resp_x",
  parent: null,
  ancestors: [],
  input,
  response: { output },
  preset: null,
  wantsData: false,
  model: "m",
  at: 0,
});
const lacksRequiredKey = (item: unknown): boolean => {
  const type = isRecord(item) ? ((item["type"] ?? "message") as ItemTypeName) : "message";
  return !isRecord(item) || ITEM_TYPES[type].required.some((key) => item[key] === undefined || item[key] === null);
};
/** The item as a backend sends it: with an id, a status, and a key that only items of an output have. */
const asBackendSends = (item: JsonObject): JsonObject => ({
  id: "item_1",
  status: "completed",
  created_by: "x",
  ...item,
});

describe.each(TYPES.filter((type) => type !== "item_reference"))("an item of type %s", (type) => {
  const portability = portabilityOf(sampleOf(type));
  const answer = ANSWER_OF[type];

  test("is replayed with every key that its type requires, or left out", () => {
    const newInput = answer === undefined ? "go on" : [sampleOf(answer)];
    const replayed = replayInput([turn([], [asBackendSends(sampleOf(type))])], newInput);
    expect(replayed.filter(lacksRequiredKey)).toEqual([]);
    const sent = replayed.filter((item) => item["type"] === type);
    const isSent = ["keep", "call", "approval"].includes(portability ?? "") && !type.startsWith("compaction");
    if (type === "message") expect(sent).toHaveLength(2);
    else expect(sent).toHaveLength(isSent ? 1 : 0);
    if (!(ITEM_TYPES[type].required as readonly string[]).includes("id"))
      for (const item of sent) expect(item).not.toHaveProperty("id");
  });

  test("is sent, or left out, in the new input", () => {
    const [item, ...others] = replayInput([], [asBackendSends(sampleOf(type))]);
    expect(others).toEqual([]);
    if (portability === "trace" || portability === "private") expect(item).toBeUndefined();
    else expect(lacksRequiredKey(item)).toBe(false);
  });
});

describe.each(Object.entries(CALL_OF) as [ItemTypeName, ItemTypeName][])("%s", (answer, call) => {
  test(`is joined to its ${call}, and left out without it`, () => {
    const answerItem = asBackendSends(sampleOf(answer));
    const callTurn = turn([], [asBackendSends(sampleOf(call))]);
    expect(replayInput([callTurn], [answerItem]).map((item) => item["type"])).toEqual([call, answer]);
    const later = replayInput([callTurn, turn([answerItem], [])], "go on").map((item) => item["type"]);
    expect(later).toEqual(answer === "mcp_approval_response" ? ["message"] : [call, answer, "message"]);
    expect(replayInput([turn([answerItem], [])], "go on")).toHaveLength(1);
  });

  test(`is made for a ${call} that has none, or the call is left out`, () => {
    const replayed = replayInput([turn([], [asBackendSends(sampleOf(call))])], "go on");
    expect(replayed.filter(lacksRequiredKey)).toEqual([]);
    expect([["message"], [call, answer, "message"]]).toContainEqual(replayed.map((item) => item["type"]));
    const cut = { ...sampleOf(call), status: "incomplete" };
    expect(replayInput([turn([], [cut])], "go on").map((item) => item["type"])).toEqual(["message"]);
  });

  test(`is refused if its ${call} lacks a required key`, () => {
    for (const key of ITEM_TYPES[call].required) {
      if (["call_id", "id", "status", "pending_safety_checks", "arguments"].includes(key)) continue;
      const { [key]: _, ...broken } = sampleOf(call);
      const chain = [turn([], [broken])];
      expect(() => replayInput(chain, [sampleOf(answer)])).toThrow(call);
      expect(replayInput(chain, "go on")).toHaveLength(1);
    }
  });
});

/** Items of any known type, as a relay or a caller may have sent them: with other ids, and some keys left out or empty. */
const AnyItem = fc
  .tuple(
    fc.constantFrom(...TYPES),
    fc.constantFrom("call_1", "call_2", "call_3"),
    fc.dictionary(
      fc.constantFrom("id", "status", "call_id", "output", "content", "x"),
      fc.constantFrom("", null, "y", []),
      {
        maxKeys: 2,
      },
    ),
  )
  .map(([type, call_id, changes]): JsonObject => {
    const sample = sampleOf(type);
    return asBackendSends({ ...sample, ...("call_id" in sample ? { call_id } : {}), ...changes });
  });
const Items = fc.array(AnyItem, { maxLength: 6 });

test("whatever a chain contains, its replay has every required key, ids only where required, and no call without an output", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(Items, Items), { maxLength: 3 }), Items, (chain, newItems) => {
      let replayed: JsonObject[];
      try {
        replayed = replayInput(
          chain.map(([input, output]) => turn(input, output)),
          newItems,
        );
      } catch (error) {
        expect(error).toMatchObject({ code: "invalid_request", details: { param: "input" } });
        return;
      }
      const past = replayed.slice(0, replayed.length - replayInput([], newItems).length);
      expect(past.filter(lacksRequiredKey)).toEqual([]);
      for (const [at, item] of past.entries()) {
        const type = (item["type"] ?? "message") as ItemTypeName;
        if (!(ITEM_TYPES[type].required as readonly string[]).includes("id")) expect(item).not.toHaveProperty("id");
        const linkOf = (other: JsonObject): unknown[] => [other["call_id"], other["id"], other["approval_request_id"]];
        const isLinked = (other: JsonObject): boolean =>
          linkOf(other).some((link) => typeof link === "string" && linkOf(item).includes(link));
        if (ANSWER_OF[type] !== undefined) expect(replayed.slice(at + 1).some(isLinked)).toBe(true);
        if (CALL_OF[type] !== undefined) expect(past.slice(0, at).some(isLinked)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
