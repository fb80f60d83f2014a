// Where one callback goes: the url of its entry, or a path on that url's origin. A path may contain words of a webhook's sender, so it must
// stay on the origin and must not climb with "..". An error never contains a URL.
import { misconfigured } from "../config/setting.ts";
import { callbackMistake, isHttpLoopback, isAtOrigin } from "../lib/url-rules.ts";

export interface UrlPolicy {
  /** `ENVIRONMENT=local`: http on loopback is allowed. */
  local: boolean;
  /** Origins of the Worker itself: an answer that is sent there could cause the next question, without end. */
  ownOrigins: readonly string[];
}

/**
 * The URL of one callback. A path is resolved like a link: "/x" replaces the path of the url, "x" replaces the part after its last slash,
 * "?x=1" retains the path.
 * @param setting where src/config.ts has the url, for errors
 * @param pathSetting where it has the function that returned the path
 * @throws Problem 503 misconfigured: another attempt would fail the same way
 */
export function callbackUrl(
  url: string,
  path: string | undefined,
  policy: UrlPolicy,
  setting: string,
  pathSetting: string,
): URL {
  const base = URL.parse(url);
  const mistake = base === null ? "must be a URL" : callbackMistake(base, url);
  if (base === null || mistake !== null) throw misconfigured(setting, mistake ?? "");
  if (isHttpLoopback(base) && !policy.local)
    throw misconfigured(setting, "must begin with https:// (http:// under ENVIRONMENT=local only)");
  if (isAtOrigin(base, policy.ownOrigins)) throw misconfigured(setting, "must not be this Worker itself");
  if (path === undefined) return base;
  const resolved = isSafePath(path) ? URL.parse(path, base.href) : null;
  if (resolved === null || resolved.origin !== base.origin || resolved.username !== "" || resolved.password !== "") {
    throw misconfigured(
      pathSetting,
      'returned an unsafe path: it must be like "/items/7", without "//" at its start, "..", "\\", "#", spaces or a host',
    );
  }
  return resolved;
}

/** Checks the text before URL parses it, because URL repairs mistakes: it drops tabs, turns backslashes, and resolves "..", even as %2e. */
function isSafePath(path: string): boolean {
  if (/[#\\\s\p{Cc}]|^\/\/|^[a-z][a-z0-9+.-]*:/iu.test(path)) return false;
  const [segments = ""] = path.split("?");
  // Servers decode once more than URL does, so "..%2f" would climb too.
  const decoded = segments.replace(/%2e/gi, ".").replace(/%2f|%5c/gi, "/");
  return !decoded.split("/").some((segment) => segment === "." || segment === "..");
}
