// Converts a chain to the `input` of one request, for replay. The request may reach a backend that knows nothing about the earlier calls.
// So every item has the form that any backend accepts, and every tool call has its output.
import { type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { isIdOfLeftOutItem, itemTypeOf, portabilityOf, toPortable } from "./item-types.ts";
import type { Turn } from "./turn.ts";
import { itemsOf } from "../upstream/output.ts";

/** An item of a stored turn. */
interface PastItem {
  item: JsonObject;
  /** Whether the item is the model's output. If it is not, the caller sent it. */
  isOutput: boolean;
}

/** The output of a call that the caller left open. Upstream refuses a call without any output. */
const NOT_RUN = "This call was not run.";

/**
 * Joins a chain and a new input into one list of items.
 * @param turns the turns of the chain, root first
 * @param input the new request's input
 * @throws Problem 400 conversation_too_long, invalid_request
 */
export function replayInput(turns: readonly Turn[], input: unknown): JsonObject[] {
  const past: PastItem[] = [];
  for (const turn of turns) {
    if (turn.inputLost === true) {
      throw new Problem(
        "conversation_too_long",
        "A turn of this conversation was too large to store, and UniAPI has lost it. Start a new conversation.",
        {
          param: "previous_response_id",
        },
      );
    }
    for (const item of asItems(turn.input)) past.push({ item, isOutput: false });
    for (const item of itemsOf(turn.response)) past.push({ item, isOutput: true });
  }
  const newItems = asItems(input);
  return [...portablePast(past, newItems), ...(portableInput(newItems) ?? refuse("item_reference"))];
}

/** Converts `input` to a list of items. A string becomes a message of the user. */
export function asItems(input: unknown): JsonObject[] {
  return typeof input === "string" ? [{ type: "message", role: "user", content: input }] : recordsOf(input);
}

/**
 * Converts a request's items to the form that any backend accepts. An item that lacks a required key is unchanged, because upstream's
 * refusal explains the mistake.
 * @returns undefined if the items include a reference to an item that can't be left out
 */
export function portableInput(items: readonly JsonObject[]): JsonObject[] | undefined {
  if (items.some((item) => portabilityOf(item) === "reference" && !isReferenceLeftOut(item))) return undefined;
  return items.flatMap((item) => (isLeftOut(item) ? [] : [toPortable(item) ?? item]));
}

function isReferenceLeftOut(item: JsonObject): boolean {
  return isIdOfLeftOutItem(textOf(item["id"]));
}

function isLeftOut(item: JsonObject): boolean {
  const portability = portabilityOf(item);
  return portability === "private" || portability === "trace" || portability === "reference";
}

/**
 * Converts the items of the chain. Leaves out a call that the new input repeats, an output whose call is missing, an approval request that
 * the new input does not answer, and a compaction by the model, because the chain has all turns that it summarizes. Adds an output to a
 * call that has none, or leaves the call out.
 * @throws Problem 400 invalid_request if the new input needs an item that can't be sent
 */
function portablePast(past: readonly PastItem[], newItems: readonly JsonObject[]): JsonObject[] {
  const answeredNow = new Set(newItems.flatMap(linksOfAnswer));
  const answeredCalls = callsWithAnswer(past, answeredNow);
  const calledNow = new Set(newItems.filter(isCall).flatMap(linksOfCall));
  const called = new Set<string>();
  return past.flatMap(({ item, isOutput }): JsonObject[] => {
    // Some agents repeat a call together with its output.
    if (isCall(item) && linksOfCall(item).some((link) => calledNow.has(link))) return [];
    const type = itemTypeOf(item);
    const isNeeded = linksOfCall(item).some((link) => answeredNow.has(link));
    switch (portabilityOf(item)) {
      case undefined:
        // The model's item of an unknown type is needed only if the caller has answered it.
        return !isOutput || answeredCalls.has(item) ? [item] : [];
      case "reference":
        return isReferenceLeftOut(item) ? [] : refuse(type);
      case "approval":
        // An earlier approval is not sent again, because upstream would call the tool a second time.
        return isNeeded ? [toPortable(item) ?? refuse(type)] : [];
      case "call": {
        const call = toPortable(item) ?? (isNeeded ? refuse(type) : undefined);
        if (call === undefined) return [];
        if (!answeredCalls.has(item)) {
          const output = item["status"] === "incomplete" ? undefined : outputOfCallNotRun(item);
          return output === undefined ? [] : [call, output];
        }
        for (const link of linksOfCall(item)) called.add(link);
        return [call];
      }
      case "output":
        if (!linksOfAnswer(item).some((link) => called.has(link))) return [];
        break;
      default:
        if (type === "compaction_trigger" || (type === "compaction" && isOutput)) return [];
    }
    return [toPortable(item) ?? []].flat();
  });
}

/** Finds the calls that a later item answers. */
function callsWithAnswer(past: readonly PastItem[], answeredNow: ReadonlySet<string>): Set<JsonObject> {
  const calls = new Set<JsonObject>();
  const answered = new Set(answeredNow);
  for (const { item, isOutput } of past.toReversed()) {
    if (linksOfCall(item).some((link) => answered.has(link))) calls.add(item);
    const isCallersOrKnown = !isOutput || portabilityOf(item) !== undefined;
    // An answer that can't be sent leaves its call open.
    if (isCallersOrKnown && toPortable(item) !== undefined) for (const link of linksOfAnswer(item)) answered.add(link);
  }
  return calls;
}

/** The types of calls and approval requests, by the type that answers them. */
const ANSWERS: Readonly<Record<string, string>> = {
  function_call_output: "function_call",
  custom_tool_call_output: "custom_tool_call",
  computer_call_output: "computer_call",
  local_shell_call_output: "local_shell_call",
  shell_call_output: "shell_call",
  apply_patch_call_output: "apply_patch_call",
  tool_search_output: "tool_search_call",
  mcp_approval_response: "mcp_approval_request",
};

function isCall(item: JsonObject): boolean {
  const portability = portabilityOf(item);
  return portability === "call" || portability === "approval";
}

/** Returns the keys by which an answer names this call or approval request. */
function linksOfCall(item: JsonObject): string[] {
  const type = itemTypeOf(item);
  if (type === "mcp_approval_request") return linksOf(type, item["id"]);
  if (type === "local_shell_call") return linksOf(type, item["call_id"], item["id"]);
  return linksOf(portabilityOf(item) === undefined ? "" : type, item["call_id"]);
}

/** Returns the keys by which an answer names its call or approval request; none for an item that answers nothing. */
function linksOfAnswer(item: JsonObject): string[] {
  const portability = portabilityOf(item);
  // An answer of an unknown type may belong to a call of an unknown type.
  if (portability === undefined) return linksOf("", item["call_id"]);
  if (portability !== "output") return [];
  const type = itemTypeOf(item);
  const callType = ANSWERS[type] ?? "";
  if (type === "mcp_approval_response") return linksOf(callType, item["approval_request_id"]);
  return type === "local_shell_call_output"
    ? linksOf(callType, item["id"], item["call_id"])
    : linksOf(callType, item["call_id"]);
}

/** @param callType the type of the call; "" for an unknown type */
function linksOf(callType: string, ...ids: unknown[]): string[] {
  return ids.flatMap((id) => (typeof id === "string" && id !== "" ? [`${callType}:${id}`] : []));
}

/** @returns undefined if no output can say that the call was not run; the call is then left out */
function outputOfCallNotRun(call: JsonObject): JsonObject | undefined {
  const { call_id, id } = call;
  switch (itemTypeOf(call)) {
    case "function_call":
      return { type: "function_call_output", call_id, output: NOT_RUN };
    case "custom_tool_call":
      return { type: "custom_tool_call_output", call_id, output: NOT_RUN };
    case "local_shell_call":
      return { type: "local_shell_call_output", id, output: NOT_RUN };
    case "shell_call": {
      const output = [{ stdout: "", stderr: NOT_RUN, outcome: { type: "exit", exit_code: 1 } }];
      return { type: "shell_call_output", call_id, output };
    }
    case "apply_patch_call":
      return { type: "apply_patch_call_output", call_id, status: "failed", output: NOT_RUN };
    default:
      return undefined;
  }
}

function refuse(type: string): never {
  throw new Problem(
    "invalid_request",
    `This conversation is replayed from storage, and an item of type \`${type}\` in it can't be sent again. Send the item itself with all its keys, or start a new conversation.`,
    { param: "input" },
  );
}
