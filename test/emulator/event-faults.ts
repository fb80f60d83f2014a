// Entries of the menu that change the response object or the events of a stream.
import { failedDraft } from "./content-faults.ts";
import { openaiError } from "./errors.ts";
import { isDelta, isTerminal, responseIn } from "./events.ts";
import type { Hooks } from "./fault.ts";
import { newId } from "./ids.ts";
import { asObjects, asText, type JsonObject, without } from "./json.ts";

const SERVER_ERROR = "The server had an error while processing your request.";
const TOKENS_PER_MINUTE = "Request too large for gpt-4o: Limit 1, Requested 30.";

const changeResponses = (
  events: JsonObject[],
  when: (event: JsonObject) => boolean,
  fields: JsonObject,
): JsonObject[] =>
  events.map((event) => {
    const response = responseIn(event);
    return response && when(event) ? { ...event, response: { ...response, ...fields } } : event;
  });

/** The form that OpenAI documents: the fields of the error in the event itself, and no event after it. */
export const errorEvent: Hooks = {
  instead: (call) => (call.stream ? undefined : openaiError(500, SERVER_ERROR, { code: "server_error" })),
  draft: failedDraft("server_error", SERVER_ERROR),
  events: (events) => [
    ...events.slice(0, 1),
    { type: "error", code: "server_error", message: SERVER_ERROR, param: null },
  ],
};

/** The form that was recorded from real traffic: the error nested, then a failed response. */
export const errorEventNested: Hooks = {
  instead: (call) =>
    call.stream ? undefined : openaiError(429, TOKENS_PER_MINUTE, { type: "tokens", code: "rate_limit_exceeded" }),
  draft: failedDraft("rate_limit_exceeded", TOKENS_PER_MINUTE),
  events: (events) => {
    const error = {
      type: "tokens",
      code: "rate_limit_exceeded",
      message: TOKENS_PER_MINUTE,
      param: null,
    };
    return [...events.slice(0, -1), { type: "error", error }, ...events.slice(-1)];
  },
};

/** The response is stored under the id of the terminal event. */
export const idChanges: Hooks = {
  events: (events) => changeResponses(events, (event) => !isTerminal(event), { id: newId("resp") }),
};

export const noId: Hooks = { response: (response) => without(response, "id") };

export const emptyOutputText: Hooks = {
  response: (response) => ({ ...response, output_text: "" }),
};

export const noUsage: Hooks = {
  response: (response) => without(response, "usage"),
  events: (events) =>
    events.map((event) => {
      const response = responseIn(event);
      return response ? { ...event, response: without(response, "usage") } : event;
    }),
};

export const noOutputInTerminal: Hooks = {
  events: (events) => changeResponses(events, isTerminal, { output: [] }),
};

export const noDeltas: Hooks = { events: (events) => events.filter((event) => !isDelta(event)) };

const withoutChain = (body: JsonObject): JsonObject => without(body, "previous_response_id");

export const ignoresChain: Hooks = { request: withoutChain };

/** Claims to have followed the chain, but has not. */
export const ignoresChainButEchoes: Hooks = {
  request: withoutChain,
  response: (response, call) => ({
    ...response,
    previous_response_id: call.body["previous_response_id"] ?? null,
  }),
};

/** The text is in `output_text` alone. */
export const outputTextOnly: Hooks = {
  response: (response) => ({
    ...response,
    output: [],
    output_text: asObjects(response["output"])
      .flatMap((item) => asObjects(item["content"]))
      .map((part) => asText(part["text"]) ?? "")
      .join(""),
  }),
};
