// A turn from memory as the trimmed answer that its caller got.
import type { Answer } from "../../contract/answer.ts";
import { trim } from "../reply/trim.ts";
import type { Turn } from "./turn.ts";
import { costUsd, type Price, usageOf } from "../upstream/usage.ts";

export function answerFromTurn(turn: Turn, prices: Readonly<Record<string, Price>>): Answer {
  return trim(turn.response, {
    id: turn.id,
    previousId: turn.parent,
    now: turn.at,
    model: turn.model,
    wantsData: turn.wantsData,
    metadata: turn.metadata,
    cost: costUsd(prices, [String(turn.response["model"]), turn.model], usageOf(turn.response["usage"])),
  });
}
