// The heat map's arithmetic: spans by when they began and how long they took. Time is
// linear, duration logarithmic, because latencies spread over decades.

export interface Point { trace: string; start: number; duration: number; error?: boolean }

/** What a rectangle on the heat map stands for; both ends are included in the search. */
export interface Box { from: number; until: number; min: number; max: number }

export interface Grid {
  from: number; until: number; // of time, ms since 1970
  low: number; high: number;   // log10 of durations in ms
  columns: number; rows: number; // row 0 is the shortest
  count: Uint32Array; errors: Uint32Array; // by row * columns + column
  most: number; // the largest count
}

// Below a microsecond nothing is told apart; it also keeps log10 away from zero.
const floor = 1e-3;
const log = (ms: number) => Math.log10(Math.max(floor, ms));

/** Counts points into cells. The range of durations is widened to whole steps, so that it stays while data come in. */
export function bin(points: readonly Point[], from: number, until: number, columns: number, rows: number): Grid {
  let low = Infinity, high = -Infinity;
  for (const p of points) {
    if (p.start < from || p.start >= until) continue;
    const v = log(p.duration);
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (low > high) { low = 0; high = 3; }
  low = Math.floor(low * 2) / 2;
  high = Math.floor(high * 2 + 1) / 2;
  if (high - low < 1.5) { // a band of equal durations belongs in the middle, not on an edge
    const more = 1.5 - (high - low);
    low -= Math.floor(more) / 2;
    high = low + 1.5;
  }
  const g: Grid = { from, until, low, high, columns, rows, count: new Uint32Array(columns * rows), errors: new Uint32Array(columns * rows), most: 0 };
  if (!(until > from)) return g;
  for (const p of points) {
    if (p.start < from || p.start >= until) continue;
    const i = rowOf(g, p.duration) * columns + columnOf(g, p.start);
    const n = ++g.count[i];
    if (n > g.most) g.most = n;
    if (p.error) g.errors[i]++;
  }
  return g;
}

export function columnOf(g: Grid, t: number): number {
  return clamp(Math.floor(((t - g.from) / (g.until - g.from)) * g.columns), g.columns);
}

export function rowOf(g: Grid, ms: number): number {
  return clamp(Math.floor(((log(ms) - g.low) / (g.high - g.low)) * g.rows), g.rows);
}

/** The time at the left edge of a column; `columns` is the end of the grid. */
export function timeAt(g: Grid, column: number): number {
  return g.from + ((g.until - g.from) * column) / g.columns;
}

/** The duration at the lower edge of a row; `rows` is the upper end of the grid. */
export function durationAt(g: Grid, row: number): number {
  return 10 ** (g.low + ((g.high - g.low) * row) / g.rows);
}

export interface Cell { column: number; row: number }

/** The box of the cells between two corners, both included. */
export function boxOf(g: Grid, a: Cell, b: Cell): Box {
  const left = Math.min(a.column, b.column), right = Math.max(a.column, b.column);
  const bottom = Math.min(a.row, b.row), top = Math.max(a.row, b.row);
  return {
    from: timeAt(g, left), until: timeAt(g, right + 1),
    // The lowest row holds all that is shorter, too.
    min: bottom === 0 ? 0 : durationAt(g, bottom), max: durationAt(g, top + 1),
  };
}

/** How much lies within a box of cells. */
export function total(g: Grid, a: Cell, b: Cell): { count: number; errors: number } {
  let count = 0, errors = 0;
  for (let r = Math.min(a.row, b.row); r <= Math.max(a.row, b.row); r++)
    for (let c = Math.min(a.column, b.column); c <= Math.max(a.column, b.column); c++) {
      count += g.count[r * g.columns + c];
      errors += g.errors[r * g.columns + c];
    }
  return { count, errors };
}

/** Strength of a cell's colour, 0 to 1: by the logarithm, so that a single slow span is seen beside thousands. */
export function strength(count: number, most: number): number {
  if (count === 0) return 0;
  return 0.32 + 0.68 * (Math.log(count + 1) / Math.log(most + 1));
}

/** The bands of the table that says the same to those who do not see the canvas: the longest first. */
export function bands(g: Grid): { from: number; until: number; count: number; errors: number }[] {
  const list: { from: number; until: number; count: number; errors: number }[] = [];
  const per = Math.max(1, Math.round(g.rows / ((g.high - g.low) * 2)));
  for (let r = 0; r < g.rows; r += per) {
    const top = Math.min(g.rows, r + per);
    const sum = total(g, { column: 0, row: r }, { column: g.columns - 1, row: top - 1 });
    list.push({ from: durationAt(g, r), until: durationAt(g, top), ...sum });
  }
  return list.reverse();
}

/** A box as a parameter of the page's address, and back. */
export function writeBox(b: Box): string {
  return [Math.floor(b.from), Math.ceil(b.until), Number(b.min.toPrecision(6)), Number(b.max.toPrecision(6))].join('~');
}

export function readBox(text: string | null | undefined): Box | undefined {
  const n = (text ?? '').split('~').map(Number);
  const [from, until, min, max] = n as [number, number, number, number];
  return n.length === 4 && n.every(Number.isFinite) && from < until && min < max ? { from, until, min, max } : undefined;
}

function clamp(i: number, n: number): number {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}
