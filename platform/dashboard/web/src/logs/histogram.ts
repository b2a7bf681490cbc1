// How many records there were when, by severity.
import type { Timed } from './ring';

export const severities = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', ''] as const;
export type Severity = (typeof severities)[number];

export interface Histogram {
  from: number; until: number; step: number;
  /** By column, then by place in `severities`. */
  counts: Uint32Array[];
  most: number;
}

const steps = [
  100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 7200e3, 21600e3, 86400e3,
];

/** The round width, in ms, of columns of which at most `most` cover the time. */
export function columnWidth(from: number, until: number, most: number): number {
  return steps.find((s) => (until - from) / s <= most - 1) ?? 86400e3 * Math.ceil((until - from) / 86400e3 / most);
}

/** Counts the records between two times into at most `most` columns that begin at round times. */
export function histogram(size: number, at: (i: number) => Timed & { severity?: string }, from: number, until: number, most: number): Histogram {
  const step = columnWidth(from, until, most);
  const first = Math.floor(from / step) * step;
  const columns = Math.max(1, Math.ceil((until - first) / step));
  const h: Histogram = { from: first, until: first + columns * step, step, counts: [], most: 0 };
  for (let i = 0; i < columns; i++) h.counts.push(new Uint32Array(severities.length));
  const sums = new Uint32Array(columns);
  for (let i = 0; i < size; i++) {
    const r = at(i);
    const c = Math.floor((r.time - first) / step);
    if (c < 0 || c >= columns) continue;
    const s = severities.indexOf((r.severity ?? '') as Severity);
    h.counts[c][s < 0 ? severities.length - 1 : s]++;
    if (++sums[c] > h.most) h.most = sums[c];
  }
  return h;
}
