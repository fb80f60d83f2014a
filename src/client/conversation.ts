// A conversation is the id of its last answer; the Worker stores the rest. Answers form a tree: any earlier answer can be continued by its
// id.
import type { AskOptions, Question, ResumeToken, Turn } from "./question.ts";
import type { AnswerStream } from "./stream.ts";
import type { Answer } from "./types.ts";

export interface ConversationOptions {
  /** Id of the answer to continue. */
  id?: string | null | undefined;
  preset?: string | undefined;
}

export interface Conversation {
  /**
   * Id of the last answer, which the next question continues. Null starts a new conversation. You can set this field to the id of any
   * earlier answer.
   */
  id: string | null;
  ask(question: Question, options?: AskOptions): Promise<Answer>;
  stream(question: Question, options?: AskOptions): AnswerStream;
  /**
   * Sends the last question again, with the same parent. The new answer is a sibling of the previous answer, and replaces it in the cache.
   */
  retry(options?: AskOptions): AnswerStream;
  /** Resumes a stream of this conversation, as `client.resume` does. */
  resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
  /** Fetches the stored turns from the first to the last answer. Resolves to an empty list if `id` is null. */
  turns(): Promise<Turn[]>;
  /** Creates another conversation that continues the answer with this id. Default: the last answer. `null` starts from the beginning. */
  branch(id?: string | null): Conversation;
}
