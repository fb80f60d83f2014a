// Decides which text is right if an upstream says it several times: as deltas, in the events that finish a part and an item, and in the
// terminal response. A relay may leave out any of them, or send them empty.
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
 * Merges the texts of one part. The longest one wins, as long as each text that is not empty is the beginning of it.
 * @param streamed the text of the deltas
 * @param finals the texts of the finished part
 * @param isLive whether the caller has already received `streamed`, which then can't be replaced
 * @throws Problem upstream_invalid_response if the texts contradict each other
 */
export function mergeText(streamed: string, finals: readonly string[], isLive: boolean): string {
  if (finals.every((text) => text === streamed)) return streamed;
  let longest = "";
  for (const text of finals) if (text.length > longest.length) longest = text;
  longest = longest.toWellFormed();
  if (longest.startsWith(streamed)) return longest;
  const whole = finals
    .map((text) => text.toWellFormed())
    .filter((text) => text !== "" && text.trim() !== streamed.trim());
  // A single finished text that is shorter may be cut off. Several that agree show that a delta was sent twice.
  const areCutOff = whole.every((text) => streamed.startsWith(text)) && (whole.length < 2 || new Set(whole).size > 1);
  if (areCutOff) return streamed;
  if (!isLive && longest.length >= streamed.length) return longest;
  throw contradiction("text");
}

/**
 * Merges the arguments of one call. `{}` is what some relays send in place of arguments that they don't know yet, so it says nothing if
 * there is any other value.
 * @param isLive whether the caller has already received `streamed`
 * @throws Problem upstream_invalid_response if two values contradict each other
 */
export function mergeArguments(streamed: string, finals: readonly string[], isLive: boolean): string {
  const texts = finals.map((text) => text.toWellFormed()).filter((text) => text.trim() !== "");
  const [first] = texts;
  if (first === undefined || texts.every((text) => text === streamed)) return streamed;
  const others = texts.filter((text) => text.trim() !== "{}");
  const isWhole = parseJson(streamed) !== undefined;
  if (others.length === 0 && isWhole) return streamed;
  const candidates = others.length === 0 ? texts : others;
  if (isWhole && candidates.every((text) => streamed.startsWith(text) || isSameJson(streamed, text))) return streamed;
  const longest = candidates.reduce((a, b) => (b.length > a.length ? b : a));
  const final = candidates.find((text) => parseJson(text) !== undefined);
  if (final === undefined) return mergeText(streamed, candidates, isLive);
  if (final.startsWith(streamed) || !isLive) return isWhole && streamed.trim() !== "{}" ? longest : final;
  throw contradiction("arguments");
}

/** Whether two JSON texts have the same value, whatever their spaces and the order of their keys. */
function isSameJson(a: string, b: string): boolean {
  const left = parseJson(a);
  const right = parseJson(b);
  return left !== undefined && right !== undefined && isEqual(left, right);
}
