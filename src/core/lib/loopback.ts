// ENVIRONMENT=local: a developer's own machine. Works on a loopback host only, and lets callers without a credential in unless a web
// page from elsewhere sent them: such a page must not spend through the machine it is looked at on.

/** localhost, 127.0.0.0/8, ::1, as URL writes them. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** Whether a request without a credential may pass under `local`: no Origin, or a page that is served from this machine. */
export function isLocalOrigin(origin: string | null): boolean {
  if (origin === null) return true;
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopbackHost(url.hostname);
}
