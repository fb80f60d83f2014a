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
 * Merges the texts of one part. The longest one wins, as long as all agree: each text that is not empty is the beginning of the longest.
 * @param streamed the text of the deltas
 * @param finals the texts of the finished part
 * @param isLive whether the caller has already received `streamed`, which then can't be replaced
 * @throws Problem upstream_invalid_response if the texts contradict each other
 */
export function mergeText(streamed: string, finals: readonly string[], isLive: boolean): string {
  let longest = "";
  for (const text of finals) if (text.length > longest.length) longest = text;
  longest = longest.toWellFormed();
  if (longest.startsWith(streamed)) return longest;
  const agree = finals.every((text) => {
    const final = text.toWellFormed();
    return streamed.startsWith(final) || streamed.trim() === final.trim();
  });
  if (agree) return streamed;
  if (!isLive && longest.length >= streamed.length) return longest;
  throw contradiction("text");
}

/**
 * Merges the arguments of one call. Unlike a text, arguments are used only when they are complete, so valid JSON replaces deltas that are
 * not valid. `{}` is what some relays send in place of arguments that they don't know yet, so it counts as empty.
 * @throws Problem upstream_invalid_response if two valid values contradict each other
 */
export function mergeArguments(streamed: string, finals: readonly string[], isLive: boolean): string {
  const candidates = finals.map((text) => text.toWellFormed()).filter((text) => !isHollow(text));
  const [first] = candidates;
  if (first === undefined) return streamed === "" ? (finals.at(-1) ?? "") : streamed;
  if (candidates.every((text) => text === streamed)) return streamed;
  const longest = candidates.reduce((a, b) => (b.length > a.length ? b : a));
  const valid = candidates.filter((text) => parseJson(text) !== undefined);
  if (isHollow(streamed)) return valid.at(-1) ?? longest;
  if (parseJson(streamed) === undefined) {
    const [final] = valid;
    if (final !== undefined) return final;
    return mergeText(streamed, candidates, isLive);
  }
  const agrees = (text: string): boolean => streamed.startsWith(text) || isSameJson(streamed, text);
  if (candidates.every(agrees)) return streamed;
  if (!isLive && valid.length > 0) return valid.reduce((a, b) => (b.length > a.length ? b : a));
  throw contradiction("arguments");
}

function isHollow(text: string): boolean {
  const trimmed = text.trim();
  return trimmed === "" || trimmed === "{}";
}

/** Whether two JSON texts have the same value, whatever their spaces and the order of their keys. */
function isSameJson(a: string, b: string): boolean {
  const left = parseJson(a);
  const right = parseJson(b);
  return left !== undefined && right !== undefined && isEqual(left, right);
}
