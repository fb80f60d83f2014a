// Entries of the menu for backends that share nothing: the ways in which they refuse a response, an item or a tool output that they don't have.
import { chainNotFound, hubError, itemNotFound, noCallFor, openaiError } from "./errors.ts";
import { inputItems } from "./conversation.ts";
import type { Call, Hooks } from "./fault.ts";
import { asObjects, asText, type JsonObject, without } from "./json.ts";
import { reasons } from "./reasoning.ts";
import { jsonScript, type Script, sseScript, textScript } from "./script.ts";

type Refuse = (id: string, call: Call) => Script;

const PARENT = "previous_response_id";

/** By the word in the name after `forgets-chain-`. */
const CHAIN_REFUSALS: Record<string, Refuse> = {
  "404": (id) => chainNotFound(id, 404),
  param: () => openaiError(400, "This backend stores nothing. Send the whole conversation.", { param: PARENT }),
  message: () => openaiError(400, `The field '${PARENT}' can't be used with this model.`),
  unsupported: () =>
    openaiError(400, `Unsupported parameter: '${PARENT}' is not supported with this model.`, {
      code: "unsupported_parameter",
      param: PARENT,
    }),
  unknown: (_id, call) =>
    hubError(400, call.requestId, `当前渠道不支持 ${PARENT} 参数`, { code: "invalid_request", type: "new_api_error" }),
  words: (id) => openaiError(400, `Previous response with id '${id}' not found.`),
  "other-words": (id) => openaiError(400, `Response '${id}' has expired or never existed.`),
  "410": (id) => openaiError(410, `${id} is gone.`),
  "404-plain": () => jsonScript(404, { error: { message: "No such response.", type: "not_found_error" } }),
  "404-detail": () => jsonScript(404, { detail: "Not Found" }),
  "404-empty": () => textScript(404, "", {}),
  detail: () => jsonScript(400, { detail: `${PARENT} is not supported` }),
  "detail-list": () =>
    jsonScript(422, {
      detail: [
        { type: "extra_forbidden", loc: ["body", PARENT], msg: "Extra inputs are not permitted", input: "resp" },
      ],
    }),
  "501": () => openaiError(501, `${PARENT} is not implemented`, { type: "server_error", code: "not_implemented" }),
  "409": (id) => openaiError(409, `Response ${id} belongs to another channel.`, { param: PARENT }),
  "in-text": (id, call) =>
    hubError(
      400,
      call.requestId,
      `upstream error: ${JSON.stringify({ error: { message: `Previous response with id '${id}' not found.`, code: "previous_response_not_found", param: PARENT } })}`,
    ),
  "error-200": (id) => jsonScript(200, notFound(id)),
  event: (id, call) => inStream(call, [{ type: "error", ...notFound(id) }], id),
  failed: (id, call) =>
    inStream(call, [{ type: "response.failed", response: { ...unanswered("failed"), ...notFound(id) } }], id),
};

const notFound = (id: string): JsonObject => ({
  error: {
    code: "previous_response_not_found",
    message: `Previous response with id '${id}' not found.`,
    param: PARENT,
    type: "invalid_request_error",
  },
});

const unanswered = (status: string): JsonObject => ({
  id: "resp_unanswered",
  object: "response",
  created_at: Math.floor(Date.now() / 1000),
  status,
  output: [],
});

/** After `response.created`, which some relays send before they call a provider. */
const inStream = (call: Call, events: JsonObject[], id: string): Script =>
  call.stream
    ? sseScript([{ type: "response.created", response: unanswered("in_progress") }, ...events], 0)
    : chainNotFound(id, 400);

const refusesParent = (refuse: Refuse): Hooks => ({
  instead: (call) => {
    const id = asText(call.body[PARENT]);
    return id === undefined ? undefined : refuse(id, call);
  },
});

export const forgetsChain: Hooks = refusesParent((id) => chainNotFound(id));
export const FORGETS_CHAIN: Record<string, Hooks> = Object.fromEntries(
  Object.entries(CHAIN_REFUSALS).map(([way, refuse]) => [way, refusesParent(refuse)]),
);

/** By the word in the name after `forgets-calls-`. */
const OUTPUT_REFUSALS: Record<string, Refuse> = {
  openai: noCallFor,
  words: (call) => openaiError(400, `The output ${call} belongs to no call.`, { param: "input" }),
  "no-param": (call) =>
    openaiError(400, `Invalid input: function_call_output '${call}' has no matching function_call in this request.`),
  chat: () =>
    openaiError(
      400,
      "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
      {
        param: "messages.[0].role",
      },
    ),
  claude: (call) =>
    openaiError(
      400,
      `messages.0.content.0: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${call}. ` +
        "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
    ),
};

/** The chain is ignored, so a tool's output comes without its call, and is refused. */
export const FORGETS_CALLS: Record<string, Hooks> = Object.fromEntries(
  Object.entries(OUTPUT_REFUSALS).map(([way, refuse]) => [
    way,
    {
      instead: (call: Call) => {
        const input = asObjects(call.body["input"]);
        const called = new Set(input.filter(({ type }) => isCall(type)).map(({ call_id }) => call_id));
        const orphan = input.find(({ type, call_id }) => isOutput(type) && !called.has(call_id ?? null));
        return orphan && refuse(asText(orphan["call_id"]) ?? "", call);
      },
      request: (body: JsonObject) => without(body, PARENT),
    },
  ]),
);

const isCall = (type: unknown): boolean => typeof type === "string" && type.endsWith("_call");
const isOutput = (type: unknown): boolean => typeof type === "string" && type.endsWith("_call_output");

/** Finds an item that the backend does not have, and refuses it. */
type RefuseItem = (item: JsonObject, at: number, input: readonly JsonObject[]) => Script | undefined;

const kept = (item: JsonObject): string | undefined => {
  const id = asText(item["id"]);
  return id !== undefined && /^(?:rs|msg|fc|ctc|ws|cmp)_/.test(id) ? id : undefined;
};

const unknownItem =
  (status: number): RefuseItem =>
  (item) => {
    const id = item["type"] === "item_reference" ? (asText(item["id"]) ?? "") : kept(item);
    return id === undefined ? undefined : itemNotFound(id, status);
  };

/** The content is sealed for the account that made it. */
const sealedElsewhere: RefuseItem = (item) =>
  item["type"] === "reasoning" && item["encrypted_content"] !== undefined && item["encrypted_content"] !== null
    ? openaiError(400, `The encrypted content for item ${asText(item["id"]) ?? "rs_0"} could not be verified.`, {
        code: "invalid_encrypted_content",
      })
    : undefined;

const withoutReasoning: RefuseItem = (item, at, input) => {
  const id = kept(item);
  return id === undefined || item["type"] === "reasoning" || input[at - 1]?.["type"] === "reasoning"
    ? undefined
    : openaiError(
        400,
        `Item '${id}' of type '${asText(item["type"]) ?? "message"}' was provided without its required 'reasoning' item: ` +
          `'rs_${id.slice(-8)}'.`,
        { param: "input" },
      );
};

const withoutFollowing: RefuseItem = (item, at, input) =>
  item["type"] === "reasoning" && kept(item) !== undefined && kept(input[at + 1] ?? {}) === undefined
    ? openaiError(
        400,
        `Item '${asText(item["id"]) ?? ""}' of type 'reasoning' was provided without its required following item.`,
        { param: "input" },
      )
    : undefined;

const reference: RefuseItem = (item) =>
  item["type"] === "item_reference" ? itemNotFound(asText(item["id"]) ?? "", 404) : undefined;

/** `responses.stream` and `parse` of OpenAI's own SDK add this key, and the API refuses it. */
const keyOfSdk: RefuseItem = (item, at) => {
  const param = `input[${at}].parsed_arguments`;
  return "parsed_arguments" in item
    ? openaiError(400, `Unknown parameter: '${param}'.`, { code: "unknown_parameter", param })
    : undefined;
};

const refusesItems = (...ways: readonly RefuseItem[]): Hooks => ({
  instead: (call) => {
    const input = inputItems(call.body["input"]);
    for (const way of ways) {
      for (const [at, item] of input.entries()) {
        const script = way(item, at, input);
        if (script) return script;
      }
    }
    return undefined;
  },
  draft: reasons,
});

export const forgetsItems: Hooks = refusesItems(unknownItem(400));
/** By the word in the name after `forgets-items-`. References are refused by each of them. */
export const FORGETS_ITEMS: Record<string, Hooks> = {
  "404": refusesItems(unknownItem(404)),
  sealed: refusesItems(reference, sealedElsewhere),
  "without-reasoning": refusesItems(reference, withoutReasoning),
  "without-following": refusesItems(reference, withoutFollowing),
  "keys-of-sdk": refusesItems(reference, keyOfSdk),
};

/** A relay whose backends share nothing: no response, no item and no key for sealed content outlives its call. */
const items = refusesItems(keyOfSdk, reference, sealedElsewhere, withoutReasoning, withoutFollowing, unknownItem(404));
export const sharesNothing: Hooks = {
  instead: (call, number) => forgetsChain.instead?.(call, number) ?? items.instead?.(call, number),
  draft: reasons,
};
