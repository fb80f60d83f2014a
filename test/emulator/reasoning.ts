// A model that always reasons, as most models of 2026 do: a reasoning item comes before every message and every function call.
import type { Draft } from "./draft.ts";
import { newId } from "./ids.ts";
import type { JsonObject } from "./json.ts";

const TOKENS = 16;

/** The sealed content is there whether or not `include` asks for it, which is OpenAI's default by now. */
export const reasoningItem = (texts: readonly string[]): JsonObject => ({
  id: newId("rs"),
  type: "reasoning",
  summary: texts.map((text) => ({ type: "summary_text", text })),
  encrypted_content: btoa(`emulated reasoning ${newId("key")}`),
});

export const reasons = (draft: Draft): Draft =>
  draft.output.some(({ type }) => type === "reasoning")
    ? draft
    : {
        ...draft,
        output: [reasoningItem(["**Reading**\n\nI always reason before I answer."]), ...draft.output],
        reasoningTokens: draft.reasoningTokens + TOKENS,
      };
