// The typed client of POST /ask for browsers, Node and Workers: no dependencies, and nothing of the Worker but types (docs/client.md).
// The Worker serves it as /client.js; the package exports it as uniapi-edge/client.
import type { Answer } from "../contract/answer.ts";
import { type ClientOptions, createCall } from "./call.ts";
import type { Conversation, ConversationOptions } from "./conversation.ts";
import type { AskBody, AskOptions, Input, Question, ResumeToken, Turn } from "./question.ts";
import { type AnswerStream, openStream } from "./stream.ts";

export type { Answer } from "../contract/answer.ts";
export type { ClientOptions } from "./call.ts";
export type { Conversation, ConversationOptions } from "./conversation.ts";
export { AskError } from "./error.ts";
export type { AskBody, AskOptions, Input, Question, ResumeToken, Turn } from "./question.ts";
export type { AnswerStream, AskEvent } from "./stream.ts";

export interface Client {
  ask(question: Question, options?: AskOptions): Promise<Answer>;
  stream(question: Question, options?: AskOptions): AnswerStream;
  /** Goes on with a stream after the event at which its `resumeToken` was taken. */
  resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
  conversation(options?: ConversationOptions): Conversation;
}

export function createClient(options: ClientOptions): Client {
  const call = createCall(options);

  function conversation({ id = null, preset = options.preset }: ConversationOptions = {}): Conversation {
    let last: AskBody | undefined;
    /** What the question itself says wins. */
    const open = (
      streamed: boolean,
      question: Question,
      { signal, idempotencyKey = crypto.randomUUID() }: AskOptions = {},
      token: ResumeToken = {
        key: idempotencyKey,
        body: {
          preset,
          previous_response_id: self.id,
          // Texts and lists have it, bodies don't.
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
      // Before anything was asked the Worker says that there is no input.
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
