import { list, type Overview, type Series, type ServiceOverview } from '../api';

// fromFirst leaves out the time before the first value of all: a fleet that has just
// begun would be squeezed into the end of an empty window.
export function fromFirst(o: Overview): Overview {
  const known = list(o.services).map((s) => list(s.rate).findIndex((v) => v !== null)).filter((i) => i >= 0);
  const first = Math.min(...known, Infinity);
  if (!Number.isFinite(first) || first === 0) return o;
  const cut = (s: Series | null) => list(s).slice(first);
  return {
    ...o, from: o.from + first * o.step,
    services: list(o.services).map((s) => ({ ...s, rate: cut(s.rate), errors: cut(s.errors), p50: cut(s.p50), p99: cut(s.p99) })),
  };
}

// last returns the newest known value, of the last five.
export function last(s: Series | null): number | null {
  const l = list(s);
  for (let i = l.length - 1; i >= Math.max(0, l.length - 5); i--) {
    const v = l[i];
    if (v !== null && v !== undefined) return v;
  }
  return null;
}

// lately returns the share of the last minute's requests that failed; null where none
// were made, or nothing is known.
export function lately(errors: Series | null, rate: Series | null, step: number): number | null {
  const n = Math.max(1, Math.round(60_000 / step));
  let failed = 0;
  let requests = 0;
  list(rate).slice(-n).forEach((r, i) => {
    requests += r ?? 0;
    failed += (r ?? 0) * (list(errors).slice(-n)[i] ?? 0);
  });
  return requests > 0 ? failed / requests : null;
}

export function median(s: Series | null): number | null {
  const known = list(s).filter((v): v is number => v !== null).sort((a, b) => a - b);
  return known.length ? known[known.length >> 1] : null;
}

// sum adds series value by value; what nobody knows stays unknown.
function sum(all: (Series | null)[]): Series {
  const n = Math.max(0, ...all.map((s) => list(s).length));
  return Array.from({ length: n }, (_, i) => {
    const known = all.map((s) => list(s)[i]).filter((v): v is number => v !== null && v !== undefined);
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  });
}

// gone tells whether a service had instances in the window and has none any more.
export function gone(s: ServiceOverview, o: Overview): boolean {
  return s.instances === 0 && list(o.changes).some((c) => c.service === s.name && c.kind === 'left');
}

export interface Front { name: string; rate: Series; errors: Series; p50: Series; p99: Series }

// front is what users meet: the edge where there is one, else all services together,
// where the latency is that of the slowest.
export function front(o: Overview): Front {
  const edge = list(o.services).find((s) => s.engine && s.name === 'edge');
  if (edge) return { name: 'At the edge', rate: list(edge.rate), errors: list(edge.errors), p50: list(edge.p50), p99: list(edge.p99) };
  const all = list(o.services);
  const rate = sum(all.map((s) => s.rate));
  const failed = sum(all.map((s) => list(s.rate).map((v, i) => (v === null ? null : v * (list(s.errors)[i] ?? 0)))));
  const highest = (of: (s: ServiceOverview) => Series | null) => rate.map((_, i) => {
    const known = all.map((s) => list(of(s))[i]).filter((v): v is number => v !== null && v !== undefined);
    return known.length ? Math.max(...known) : null;
  });
  return { name: 'All services', rate, errors: rate.map((v, i) => (v ? (failed[i] ?? 0) / v : null)), p50: highest((s) => s.p50), p99: highest((s) => s.p99) };
}

export type Trouble = { service: string; tone: 'bad' | 'warn'; text: string; why: 'ready' | 'errors' | 'slow'; weight: number };
