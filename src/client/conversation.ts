// A conversation is the id of its last answer: the Worker knows the rest. Answers form a tree, so any of its ids can be gone on from.
import type { Answer } from "../contract/answer.ts";
import type { AskOptions, Question, ResumeToken, Turn } from "./question.ts";
import type { AnswerStream } from "./stream.ts";

export interface ConversationOptions {
  /** Of the answer to go on from. */
  id?: string | null | undefined;
  preset?: string | undefined;
}

export interface Conversation {
  /** Of the last answer, which the next question follows; null begins anew. May be set to that of any earlier answer. */
  id: string | null;
  ask(question: Question, options?: AskOptions): Promise<Answer>;
  stream(question: Question, options?: AskOptions): AnswerStream;
  /** The last question once more, from the same parent and not from the cache. Its answer is a sibling of the one before. */
  retry(options?: AskOptions): AnswerStream;
  /** Goes on with a stream of this conversation, as `client.resume` does. */
  resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
  /** From the first turn to the last answer, as the Worker keeps them. */
  turns(): Promise<Turn[]>;
  /** Another conversation that goes on from the same answer, or from an earlier one (`null`: from none). */
  branch(id?: string | null): Conversation;
}
