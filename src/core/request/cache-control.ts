// The Cache-Control header of a request (RFC 9111 section 5.2.1).

export interface CacheControl {
  noStore: boolean;
  /** Also for `max-age=0`. */
  noCache: boolean;
  /** Seconds. */
  maxAge: number | undefined;
}

/** Ignores every other directive, and a `max-age` that is not a number of up to ten digits. */
export function readCacheControl(header: string | null): CacheControl {
  const control: CacheControl = { noStore: false, noCache: false, maxAge: undefined };
  for (const directive of (header ?? "").toLowerCase().split(",")) {
    const [name, value] = directive.trim().split("=");
    if (name === "no-store") control.noStore = true;
    if (name === "no-cache") control.noCache = true;
    if (name === "max-age" && value !== undefined && /^"?\d{1,10}"?$/.test(value))
      control.maxAge = Number(value.replaceAll('"', ""));
  }
  if (control.maxAge === 0) control.noCache = true;
  return control;
}
