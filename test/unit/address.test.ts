// The address that identifies a visitor: an IPv4 address unchanged, an IPv6 address by its /64.
import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { addressOf } from "../../src/gate/authenticate.ts";

const from = (address: string): string | null =>
  addressOf(new Request("https://ask.example.com", { headers: { "cf-connecting-ip": address } }));

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:0002::9", "2001:db8:1:2::/64"],
  ["2001:db8::9", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["2001:db8::1:2:3:4:5", "2001:db8:0:1::/64"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
])("the address of %s is %s", (address, visitor) => {
  expect(from(address)).toBe(visitor);
});

test("a request without CF-Connecting-IP, or with a blank one, has no address", () => {
  expect(addressOf(new Request("https://ask.example.com"))).toBeNull();
  expect(from(" ")).toBeNull();
});

test("two IPv6 addresses are one visitor if and only if their /64 is the same, in any notation", () => {
  const group = fc.nat({ max: 0xffff });
  fc.assert(
    fc.property(
      fc.array(group, { minLength: 4, maxLength: 4 }),
      fc.array(group, { minLength: 4, maxLength: 4 }),
      fc.array(group, { minLength: 4, maxLength: 4 }),
      (net, a, b) => {
        const long = [...net, ...a].map((one) => one.toString(16).padStart(4, "0")).join(":");
        const short = ipv6Text([...net, ...b]);
        expect([isIPv6(long), isIPv6(short)]).toEqual([true, true]);
        expect(from(long)).toBe(from(short));
        const other = [(net[0] ?? 0) ^ 1, ...net.slice(1), ...a].map((one) => one.toString(16)).join(":");
        expect(from(other)).not.toBe(from(long));
      },
    ),
  );
});

test("an IPv4 address is unchanged", () => {
  fc.assert(fc.property(fc.ipV4(), (address) => isIPv4(address) && from(address) === address));
});

/** In the notation of URL: the longest run of zeros as `::`. */
function ipv6Text(groups: readonly number[]): string {
  return new URL(`http://[${groups.map((one) => one.toString(16)).join(":")}]/`).hostname.slice(1, -1);
}
