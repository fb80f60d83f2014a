// Formats US dollars: two significant digits below one dollar, cents above.
export function dollars(usd: number): string {
  if (usd === 0) return "$0";
  return `$${usd >= 1 ? usd.toFixed(2) : usd.toPrecision(2)}`;
}
