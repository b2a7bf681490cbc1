// Runs the page's queries, all beside each other, and again when the time moves on.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, now } from '../api';
import type { Range } from '../ui';
import { queryAt, queryRange, type Sample } from './prometheus';
import { align, stepFor, upTo, type Matrix } from './range';

export interface Run {
  query: string; loading: boolean; error?: ApiError;
  series: Matrix[]; samples: Sample[]; warnings: string[];
  start: number; end: number; step: number; // s, of the series
  took: number; // ms
}

const nothing = { series: [], samples: [], warnings: [], start: 0, end: 0, step: 1, took: 0 };

/** `pixels`: how wide the chart is, 0 where it is not known yet. `turn`: another number asks again. */
export function useRuns(queries: readonly string[], range: Range, view: 'graph' | 'table', pixels: number, turn: number): Run[] {
  const [runs, setRuns] = useState<Run[]>([]);
  const shape = JSON.stringify([queries, range.key, view, Math.round(pixels / 200), turn]);

  useEffect(() => {
    if (pixels === 0) return;
    const stop = new AbortController();
    const until = range.last ? now() : range.until;
    const from = range.last ? until - range.last : range.from;
    const step = stepFor(from, until, pixels);
    const { start, end } = range.last ? upTo(until, range.last, step) : align(from, until, step);
    const put = (i: number, r: Partial<Run>) => setRuns((old) => queries.map((query, k) => {
      // The old answer stays until there is a newer one to the same question.
      const before = old[k]?.query === query ? old[k] : { query, loading: false, ...nothing };
      return k === i ? { ...before, error: undefined, ...r } : before;
    }));
    queries.forEach((query, i) => {
      put(i, { loading: true });
      const began = performance.now();
      const answer = view === 'graph'
        ? queryRange(query, start, end, step, stop.signal).then((a) => ({ series: a.series, warnings: a.warnings, start, end, step }))
        : queryAt(query, until / 1000, stop.signal);
      answer.then((a) => { if (!stop.signal.aborted) put(i, { ...a, loading: false, took: performance.now() - began }); },
        (e) => { if (!stop.signal.aborted) put(i, { loading: false, series: [], samples: [], error: e instanceof ApiError ? e : new ApiError(String(e), 0, '') }); });
    });
    if (queries.length === 0) setRuns([]);
    return () => stop.abort();
  }, [shape]);

  return queries.map((query, i) => (runs[i]?.query === query ? runs[i] : { query, loading: pixels > 0, ...nothing }));
}
