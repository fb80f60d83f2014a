// Decides which text is right when upstream sends it several times: in deltas, in the events that finish a part and an item, and in the
// terminal response. A relay may omit any of these texts, or send it empty.
import { parseJson } from "../lib/json.ts";
import { isEqual } from "../lib/objects.ts";
import { Problem } from "../lib/problem.ts";

/** The problem for a stream whose events contradict each other, so that no text in it can be trusted. @param reason for the log */
export function contradiction(reason: string): Problem {
  return new Problem(
    "upstream_invalid_response",
    "UniAPI's stream contradicts itself, so its answer can't be trusted. The call may have been billed.",
    { paid: "maybe", reason: `contradiction: ${reason}` },
  );
}

/**
 * Merges the texts of one part. The longest finished text is used if it continues the deltas. The deltas are used if every finished text
 * that differs from them is cut off. Otherwise the texts contradict each other. The longest finished text then replaces the deltas, unless
 * it is shorter or the caller has received them.
 * @param streamed the text of the deltas
 * @param finals the texts of the finished part
 * @param isLive whether the caller has already received `streamed`, which then can't be replaced
 * @throws Problem upstream_invalid_response if the texts contradict each other and the deltas can't be replaced
 */
export function mergeText(streamed: string, finals: readonly string[], isLive: boolean): string {
  if (finals.every((text) => text === streamed)) return streamed;
  let longest = "";
  for (const text of finals) if (text.length > longest.length) longest = text;
  longest = longest.toWellFormed();
  if (longest.startsWith(streamed)) return longest;
  const different = finals
    .map((text) => text.toWellFormed())
    .filter((text) => text !== "" && text.trim() !== streamed.trim());
  // A single finished text that is shorter may be cut off. Several equal ones show that a delta was sent twice.
  const areCutOff =
    different.every((text) => streamed.startsWith(text)) && (different.length < 2 || new Set(different).size > 1);
  if (areCutOff) return streamed;
  if (!isLive && longest.length >= streamed.length) return longest;
  throw contradiction("text");
}

/**
 * Merges the arguments of one call. Some relays send `{}` in place of arguments that they don't know yet, so `{}` is ignored if there is
 * any other value.
 * @param isLive whether the caller has already received `streamed`, which then can't be replaced
 * @throws Problem upstream_invalid_response if the values contradict each other and `streamed` can't be replaced
 */
export function mergeArguments(streamed: string, finals: readonly string[], isLive: boolean): string {
  const texts = finals.map((text) => text.toWellFormed()).filter((text) => text.trim() !== "");
  const [first] = texts;
  if (first === undefined || texts.every((text) => text === streamed)) return streamed;
  const others = texts.filter((text) => text.trim() !== "{}");
  const isComplete = parseJson(streamed) !== undefined;
  if (others.length === 0 && isComplete) return streamed;
  const candidates = others.length === 0 ? texts : others;
  if (isComplete && candidates.every((text) => streamed.startsWith(text) || isSameJson(streamed, text)))
    return streamed;
  const longest = candidates.reduce((a, b) => (b.length > a.length ? b : a));
  const final = candidates.find((text) => parseJson(text) !== undefined);
  if (final === undefined) return mergeText(streamed, candidates, isLive);
  if (final.startsWith(streamed) || !isLive) return isComplete && streamed.trim() !== "{}" ? longest : final;
  throw contradiction("arguments");
}

/** Whether two JSON texts have the same value. Whitespace and the order of keys do not count. */
function isSameJson(a: string, b: string): boolean {
  const left = parseJson(a);
  const right = parseJson(b);
  return left !== undefined && right !== undefined && isEqual(left, right);
}
