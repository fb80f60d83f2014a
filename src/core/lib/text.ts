// Shortens texts without breaking a character.

/** Returns the beginning of a text: at most `max` UTF-16 code units, without half of a surrogate pair at its end. */
export function startOf(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}
