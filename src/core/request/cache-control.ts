// The Cache-Control header of a request.
export interface CacheControl {
  noStore: boolean;
  noCache: boolean;
  maxAge: number | undefined;
}

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
