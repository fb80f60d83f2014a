// Generated from src/client by `npm run build:client`: edit there.
import { type ClientOptions } from "./call.js";
import type { Conversation, ConversationOptions } from "./conversation.js";
import type { AskOptions, Question, ResumeToken } from "./question.js";
import { type AnswerStream } from "./stream.js";
import type { Answer } from "./types.js";
export type { ClientOptions } from "./call.js";
export type { Conversation, ConversationOptions } from "./conversation.js";
export { AskError } from "./error.js";
export type { AskOptions, Question, ResumeToken, Turn } from "./question.js";
export type { AnswerStream } from "./stream.js";
export type { Answer, AskBody, AskEvent, Input } from "./types.js";
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
export declare function createClient(options: ClientOptions): Client;
