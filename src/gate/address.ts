// The IP address that a request comes from, as Cloudflare reports it. An IPv6 address is reduced to its /64 network, since one visitor
// usually has all of it.

/** Null if the request has no `CF-Connecting-IP`. */
export function addressOf(request: Request): string | null {
  const address = request.headers.get("cf-connecting-ip")?.trim().toLowerCase();
  if (address === undefined || address === "") return null;
  return address.includes(":") ? networkOf(address) : address;
}

/** The first four groups, expanded. An IPv4-mapped address becomes the IPv4 address. */
function networkOf(address: string): string {
  const inner = /^(?:::ffff:)((?:\d{1,3}\.){3}\d{1,3})$/.exec(address)?.[1];
  if (inner !== undefined) return inner;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
