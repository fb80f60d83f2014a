// The typed client of POST /ask for browsers, Node and Workers (docs/client.md). It has no dependencies and imports only types from the
// Worker's code. The Worker serves it as /client.js; the package exports it as uniapi-edge/client.
import { type ClientOptions, createCall } from "./call.ts";
import type { Conversation, ConversationOptions } from "./conversation.ts";
import type { AskOptions, Question, ResumeToken, Turn } from "./question.ts";
import { type AnswerStream, openStream } from "./stream.ts";
import type { Answer, AskBody, Input } from "./types.ts";

export type { ClientOptions } from "./call.ts";
export type { Conversation, ConversationOptions } from "./conversation.ts";
export { AskError } from "./error.ts";
export type { AskOptions, Question, ResumeToken, Turn } from "./question.ts";
export type { AnswerStream } from "./stream.ts";
export type { Answer, AskBody, AskEvent, Input } from "./types.ts";

export interface Client {
  /** @throws AskError, an error of the `token` function, or the reason of an aborted signal */
  ask(question: Question, options?: AskOptions): Promise<Answer>;
  stream(question: Question, options?: AskOptions): AnswerStream;
  /** Resumes a stream after the last event that was read when its `resumeToken` was copied. */
  resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
  conversation(options?: ConversationOptions): Conversation;
}

/**
 * @example
 * ```ts
 * import { createClient } from "uniapi-edge/client";
 *
 * const client = createClient({ url: "https://ask.example.com", token: "sk_…" });
 * const { text, id } = await client.ask("What is the capital of France?");
 * for await (const { event, data } of client.stream({ input: "And of Spain?", previous_response_id: id })) {
 *   if (event === "text") process.stdout.write(data.delta);
 * }
 * ```
 */
export function createClient(options: ClientOptions): Client {
  const call = createCall(options);

  function conversation({ id = null, preset = options.preset }: ConversationOptions = {}): Conversation {
    let last: AskBody | undefined;
    /** Opens a stream. The fields of the question override those of the conversation. */
    const open = (
      streamed: boolean,
      question: Question,
      { signal, idempotencyKey = crypto.randomUUID() }: AskOptions = {},
      token: ResumeToken = {
        key: idempotencyKey,
        body: {
          preset,
          previous_response_id: self.id,
          // Strings and arrays have a method `at`; a body does not.
          ...((question as string)?.at ? { input: question as Input } : (question as AskBody)),
        },
      },
    ): AnswerStream => {
      last = token.body;
      return openStream(call, "/ask", token, streamed, signal, self);
    };
    const self: Conversation = {
      id,
      ask: (question, options) => open(false, question, options).answer(),
      stream: (question, options) => open(true, question, options),
      // If there is no earlier question, the body has no input, and the Worker rejects it.
      retry: (options) => open(true, { ...last, cache: "refresh" } as AskBody, options),
      resume: (token, options) => open(true, "", options, token),
      async turns() {
        if (!self.id) return [];
        const { turns } = (await openStream(call, `/ask/${self.id}?thread=true`).answer()) as unknown as {
          turns: Turn[];
        };
        const turn = turns.at(-1);
        if (turn) last ??= { preset, input: turn.input, previous_response_id: turn.answer.previous_response_id };
        return turns;
      },
      branch: (from = self.id) => conversation({ id: from, preset }),
    };
    return self;
  }

  return {
    conversation,
    ask: (question, options) => conversation().ask(question, options),
    stream: (question, options) => conversation().stream(question, options),
    resume: (token, options) => conversation().resume(token, options),
  };
}
