// Removes secrets from upstream's messages before a caller sees them: keys (complete, masked or partial), account ids, addresses,
// balances and request ids. Removing too much is acceptable, because only people read these messages.

import { startOf } from "../lib/text.ts";

const REDACTED = "[redacted]";
/** In characters. A shorter part of a secret is useless to an attacker, and redacting it would remove ordinary words. */
const SECRET_WINDOW = 6;

/** The rest of a longer message is dropped, which limits the time that redaction takes. */
const MAX_TEXT_CHARS = 8_192;

/**
 * Every pattern takes linear time. Its repetitions are bounded, or can only match from the start of a sequence of their characters. So no
 * long sequence is scanned again from each of its characters.
 */
const PATTERNS: readonly RegExp[] = [
  /\(?\s{0,3}request[ _-]?id\s{0,3}[:：=]?\s{0,3}[\w-]+\s{0,3}\)?/gi,
  /\bhttps?:\/\/[^\s"'<>)\]，。]+/gi,
  // Hosts and addresses without a scheme.
  /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b/g,
  /(?<![\w.-])(?:[\w-]{1,63}\.){1,20}(?:com|net|org|io|ai|cn|dev|app|cloud|internal|local)(?::\d{1,5})?\b/gi,
  /\b(?:bearer|basic)\s+[^\s"',;]+/gi,
  // Complete and masked keys: sk-…, pk_…, AIza…, and any token that contains asterisks.
  /\b(?:sk|pk|rk|ak|key|org|proj|user|acct|asst|sess)[-_][\w*.•…-]{3,}/gi,
  /\bAIza[\w*-]{10,}/g,
  /(?<![\w.-])[\w.-]*(?:(?:\*{2,}|•{2,}|(?:\.{3}|…)(?=[\w.-]))[\w.-]*)+/g,
  // Amounts of money, with a currency sign before or a unit after the number, and 余额/额度 (balance, quota) with a number.
  /[$＄¥￥€£]\s{0,3}-?\d[\d.,]*/g,
  /-?\d[\d.,]{0,30}\s{0,3}(?:usd|cny|rmb|dollars?|美元|元)/gi,
  /-?\d[\d.,]{0,30}\s{0,3}(?:余额|额度|balance|quota|credits?)/gi,
  /(?:余额|额度|balance|quota|remain\w{0,20})[^\d\n]{0,24}-?\d[\d.,]*/gi,
  // Long sequences that mix letters and digits: ids and keys of unknown vendors.
  /(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}/g,
];

/**
 * Removes secrets, ids, addresses and amounts of money, and shortens the text to 1,000 characters.
 * @param secrets every secret that this Worker sends upstream; no six consecutive characters of any of them remain
 */
export function redact(text: string, secrets: readonly string[]): string {
  let out = redactSecrets(startOf(text, MAX_TEXT_CHARS), secrets);
  for (const pattern of PATTERNS) out = out.replace(pattern, REDACTED);
  return startOf(out.replace(/\s{2,}/g, " ").trim(), 1_000);
}

/** Removes only the given secrets, for short fields whose form is checked separately. */
export function redactSecrets(text: string, secrets: readonly string[]): string {
  let out = text;
  for (const secret of secrets) out = withoutPartsOf(out, secret);
  return out;
}

function withoutPartsOf(text: string, secret: string): string {
  if (secret.length < SECRET_WINDOW) return secret === "" ? text : text.split(secret).join(REDACTED);
  const isSecret: boolean[] = [];
  let hasSecret = false;
  for (let at = 0; at + SECRET_WINDOW <= secret.length; at += 1) {
    const part = secret.slice(at, at + SECRET_WINDOW);
    for (let hit = text.indexOf(part); hit !== -1; hit = text.indexOf(part, hit + 1)) {
      hasSecret = true;
      for (let i = hit; i < hit + SECRET_WINDOW; i += 1) isSecret[i] = true;
    }
  }
  if (!hasSecret) return text;
  let out = "";
  for (let at = 0; at < text.length; at += 1) {
    if (!isSecret[at]) out += text[at];
    else if (!isSecret[at - 1]) out += REDACTED;
  }
  return out;
}
