// From a stretch of time and a width in pixels to what a range query asks for.

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];

/** The step, in seconds, of a query whose answer has about one value for every two pixels, and never above 11,000. */
export function stepFor(from: number, until: number, pixels: number): number {
  const seconds = Math.max(1, (until - from) / 1e3);
  const least = Math.max(seconds / Math.min(1000, Math.max(50, pixels / 2)), seconds / 10000);
  return steps.find((s) => s >= least) ?? Math.ceil(least / 86400) * 86400;
}

/**
 * The range of a chart that follows the present. What is measured now arrives some seconds
 * later: lines that went on to now, or to the end of a step beyond it, would all fall there.
 */
export function upTo(now: number, last: number, step: number): { start: number; end: number } {
  const grid = Math.min(step, 60) * 1e3;
  const end = (Math.floor((now - lag) / grid) * grid) / 1e3;
  return { start: end - Math.ceil(last / 1e3 / step) * step, end };
}

const lag = 10_000; // ms; how often services send their metrics

/** Times on the step's grid, so that a chart that is asked for again does not tremble. */
export function align(from: number, until: number, step: number): { start: number; end: number } {
  const s = step * 1e3;
  return { start: (Math.floor(from / s) * s) / 1e3, end: (Math.ceil(until / s) * s) / 1e3 };
}

export interface Matrix { metric: Record<string, string>; values?: [number, string][]; histograms?: unknown[] }

/** The values of several series on one axis of time, null where a series has none: as uPlot takes them. */
export function table(series: readonly Matrix[], start: number, end: number, step: number): (number | null)[][] {
  const n = Math.floor((end - start) / step + 1e-6) + 1;
  const times: number[] = new Array(n);
  for (let i = 0; i < n; i++) times[i] = start + i * step;
  const columns: (number | null)[][] = [times];
  for (const s of series) {
    const column: (number | null)[] = new Array(n).fill(null);
    for (const [t, text] of s.values ?? []) {
      const i = Math.round((t - start) / step);
      // NaN and infinities have no place on an axis; the table tells them.
      const v = Number(text);
      if (i >= 0 && i < n && Number.isFinite(v)) column[i] = v;
    }
    columns.push(column);
  }
  return columns;
}

export interface Stats { last: number | null; min: number | null; max: number | null; mean: number | null }

export function stats(column: readonly (number | null)[]): Stats {
  let last: number | null = null, min = Infinity, max = -Infinity, sum = 0, n = 0;
  for (const v of column) {
    if (v === null) continue;
    last = v;
    if (v < min) min = v;
    if (v > max) max = v;
    sum += v;
    n++;
  }
  return n === 0 ? { last: null, min: null, max: null, mean: null } : { last, min, max, mean: sum / n };
}

/** The name of a series: what tells it from the others, in one label where one does; all labels where it is alone. */
export function seriesNames(series: readonly Matrix[]): string[] {
  const differ = new Set<string>();
  for (const s of series)
    for (const k of Object.keys(s.metric))
      if (series.some((o) => o.metric[k] !== s.metric[k])) differ.add(k);
  // The job first: it is the service.
  const enough = series.length > 1 && !differ.has('__name__')
    ? [...differ].sort((a, b) => Number(b === 'job') - Number(a === 'job')).find((k) => new Set(series.map((s) => s.metric[k] ?? '')).size === series.length) : undefined;
  if (enough !== undefined) return series.map((s) => s.metric[enough] ?? 'no ' + enough);
  return series.map((s) => {
    const keys = Object.keys(s.metric).filter((k) => k !== '__name__' && (series.length === 1 || differ.has(k)));
    const name = series.length === 1 || differ.has('__name__') ? s.metric['__name__'] ?? '' : '';
    const labels = keys.map((k) => k + '=' + s.metric[k]);
    if (keys.length === 1 && name === '') return s.metric[keys[0]];
    if (labels.length === 0) return name || s.metric['__name__'] || 'value';
    return name + '{' + labels.join(', ') + '}';
  });
}

export interface Fault { message: string; line: number; column: number; until?: number }

/** Where in a query Prometheus found what is wrong: "1:5: parse error: ...", line and column from 1. */
export function faultOf(message: string): Fault | undefined {
  const m = /(?:^|[\s"])(\d+):(\d+): (?:parse error: )?([\s\S]*)$/.exec(message);
  if (!m) return undefined;
  return { line: Number(m[1]), column: Number(m[2]), message: m[3].trim() };
}

/** The offset of a line and column, both from 1. */
export function offsetOf(query: string, line: number, column: number): number {
  let at = 0;
  for (let l = 1; l < line; l++) {
    const end = query.indexOf('\n', at);
    if (end < 0) break;
    at = end + 1;
  }
  return Math.min(query.length, at + column - 1);
}
