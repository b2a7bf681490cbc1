// A trace laid out in columns of numbers: a hundred thousand spans are walked on every
// key press and drag, so nothing here makes an object for each.

/** What the layout needs of a span; the server sends spans in the order of the tree. */
export interface Laying { id: string; service: string; depth: number; start: number; duration: number; error?: boolean }
export interface Piece { span: string; from: number; until: number }

export interface Layout {
  size: number;
  from: number; until: number;  // of the whole trace, ms since 1970
  start: Float64Array; end: Float64Array; // ms after from
  parent: Int32Array;           // -1: a root
  last: Int32Array;             // the index behind the span's subtree
  depth: Int32Array;
  service: Int32Array; services: string[]; // by first appearance
  piece: Int32Array;            // span i has the pieces piece[i] to piece[i+1] of the critical path
  pieces: Float64Array;         // from and until of each, ms after from
  index: Map<string, number>;
}

export function layOut(spans: readonly Laying[], critical: readonly Piece[] = []): Layout {
  const n = spans.length;
  let from = Infinity, until = -Infinity;
  for (const s of spans) {
    if (s.start < from) from = s.start;
    if (s.start + s.duration > until) until = s.start + s.duration;
  }
  if (n === 0) from = until = 0;
  const l: Layout = {
    size: n, from, until,
    start: new Float64Array(n), end: new Float64Array(n),
    parent: new Int32Array(n), last: new Int32Array(n), depth: new Int32Array(n),
    service: new Int32Array(n), services: [],
    piece: new Int32Array(n + 1), pieces: new Float64Array(2 * critical.length),
    index: new Map(),
  };
  const names = new Map<string, number>();
  const open: number[] = []; // the spans whose subtrees are not over
  for (let i = 0; i < n; i++) {
    const s = spans[i];
    l.start[i] = s.start - from;
    l.end[i] = s.start + s.duration - from;
    if (!l.index.has(s.id)) l.index.set(s.id, i);
    let name = names.get(s.service);
    if (name === undefined) names.set(s.service, name = l.services.push(s.service) - 1);
    l.service[i] = name;
    while (open.length > 0 && l.depth[open[open.length - 1]] >= s.depth) l.last[open.pop()!] = i;
    l.parent[i] = open.length > 0 ? open[open.length - 1] : -1;
    l.depth[i] = open.length; // not s.depth: a step of two would leave a hole
    open.push(i);
  }
  while (open.length > 0) l.last[open.pop()!] = n;
  spread(l, critical);
  return l;
}

// spread sorts the pieces by span, in two passes over them.
function spread(l: Layout, critical: readonly Piece[]): void {
  const of = critical.map((p) => l.index.get(p.span) ?? -1);
  for (const i of of) if (i >= 0) l.piece[i + 1]++;
  for (let i = 0; i < l.size; i++) l.piece[i + 1] += l.piece[i];
  const next = l.piece.slice();
  critical.forEach((p, k) => {
    const i = of[k];
    if (i < 0) return;
    const at = next[i]++;
    l.pieces[2 * at] = p.from - l.from;
    l.pieces[2 * at + 1] = p.until - l.from;
  });
}

export function isCritical(l: Layout, i: number): boolean {
  return l.piece[i + 1] > l.piece[i];
}

/** How much of the critical path is a span's own, in ms. */
export function criticalTime(l: Layout, i: number): number {
  let sum = 0;
  for (let p = l.piece[i]; p < l.piece[i + 1]; p++) sum += l.pieces[2 * p + 1] - l.pieces[2 * p];
  return sum;
}

/** How many spans lie below one. */
export function below(l: Layout, i: number): number {
  return l.last[i] - i - 1;
}

/**
 * The spans that are rows: those without a folded ancestor and, where `keep` is given,
 * those kept and their ancestors.
 */
export function rows(l: Layout, folded: Uint8Array, keep?: Uint8Array): Int32Array {
  const list = new Int32Array(l.size);
  const wanted = keep && withAncestors(l, keep);
  let n = 0;
  for (let i = 0; i < l.size;) {
    if (wanted && !wanted[i]) { i++; continue; }
    list[n++] = i;
    i = folded[i] ? l.last[i] : i + 1;
  }
  return list.subarray(0, n);
}

function withAncestors(l: Layout, keep: Uint8Array): Uint8Array {
  const all = keep.slice();
  // From the end: every child comes after its parent.
  for (let i = l.size - 1; i >= 0; i--) if (all[i] && l.parent[i] >= 0) all[l.parent[i]] = 1;
  return all;
}

/** The row that shows a span: its own, or that of the folded ancestor that hides it; -1 where there is none. */
export function rowOf(list: Int32Array, i: number): number {
  let low = 0, high = list.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (list[middle] === i) return middle;
    if (list[middle] < i) low = middle + 1; else high = middle - 1;
  }
  return high;
}

/** Opens all that hides a span. */
export function reveal(l: Layout, folded: Uint8Array, i: number): boolean {
  let changed = false;
  for (let p = l.parent[i]; p >= 0; p = l.parent[p]) if (folded[p]) { folded[p] = 0; changed = true; }
  return changed;
}

/** Folds every span that is `depth` deep or deeper and opens the others. */
export function foldFrom(l: Layout, folded: Uint8Array, depth: number): void {
  for (let i = 0; i < l.size; i++) folded[i] = l.depth[i] >= depth && l.last[i] > i + 1 ? 1 : 0;
}

/** The rows of a scrolled list that are on the screen, and `over` more each way. */
export function onScreen(scroll: number, height: number, row: number, count: number, over: number): { first: number; end: number } {
  const first = Math.max(0, Math.min(count, Math.floor(scroll / row)) - over);
  return { first, end: Math.min(count, Math.ceil((scroll + height) / row) + over) };
}
