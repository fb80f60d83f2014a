// Money as it is written everywhere: a small sum keeps two digits that say something.
export function dollars(usd: number): string {
  if (usd === 0) return "$0";
  return `$${usd >= 1 ? usd.toFixed(2) : usd.toPrecision(2)}`;
}
