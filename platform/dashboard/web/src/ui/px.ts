/** A length for a style: this Preact adds no unit to a number. */
export function px(n: number): string {
  return n + 'px';
}
