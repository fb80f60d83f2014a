// Generated from src/client by `npm run build:client`: edit there.
import type { AskOptions, Question, ResumeToken, Turn } from "./question.js";
import type { AnswerStream } from "./stream.js";
import type { Answer } from "./wire.js";
export interface ConversationOptions {
    /** Id of the answer to continue. */
    id?: string | null | undefined;
    preset?: string | undefined;
}
export interface Conversation {
    /** Id of the last answer, which the next question follows; null starts a new conversation. May be set to the id of any earlier answer. */
    id: string | null;
    ask(question: Question, options?: AskOptions): Promise<Answer>;
    stream(question: Question, options?: AskOptions): AnswerStream;
    /** Sends the last question again, from the same parent and past the cache. The answer is a sibling of the previous one. */
    retry(options?: AskOptions): AnswerStream;
    /** Resumes a stream of this conversation, as `client.resume` does. */
    resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
    /** The turns from the first to the last answer, as the Worker has stored them. */
    turns(): Promise<Turn[]>;
    /** Another conversation that continues the same answer or an earlier one; `null` starts from the beginning. */
    branch(id?: string | null): Conversation;
}
