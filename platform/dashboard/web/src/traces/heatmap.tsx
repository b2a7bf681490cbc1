// The heat map of latencies: drag a box over it, and the list has what is in the box.
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Button, useTheme } from '../ui';
import { clock, duration, whole } from '../ui/format';
import { bands, bin, boxOf, columnOf, durationAt, rowOf, timeAt, total, type Box, type Cell, type Grid, type Point, writeBox } from './heat';
import { px } from '../ui/px';
import { paintHeat, gutter, foot } from './paintheat';

const tall = 168, rows = 24;

interface HeatMapProps { points: readonly Point[]; more: boolean; from: number; until: number; box: Box | undefined; onBox: (b: Box | undefined) => void; onZoom: (b: Box) => void }

export function HeatMap({ points, more, from, until, box, onBox, onZoom }: HeatMapProps) {
  const area = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<Cell | undefined>();
  const [mark, drawMark] = useState<Mark | undefined>(); // being drawn, by mouse or keys
  // Ahead of mark and box, when keys come faster than drawings.
  const marked = useRef(mark), chosen = useRef(box);
  chosen.current = box;
  const setMark = (m: Mark | undefined) => {
    marked.current = m;
    drawMark(m);
  };
  const choose = (b: Box | undefined) => {
    setMark(undefined);
    chosen.current = b;
    onBox(b);
  };

  useLayoutEffect(() => {
    const el = area.current!;
    const observer = new ResizeObserver(() => setWidth(el.clientWidth));
    observer.observe(el);
    setWidth(el.clientWidth);
    return () => observer.disconnect();
  }, []);

  const inner = Math.max(1, width - gutter);
  const grid = useMemo(() => bin(points, from, until, Math.max(8, Math.floor(inner / 9)), rows), [points, from, until, inner]);
  useLayoutEffect(() => {
    if (width > 0) paintHeat(canvas.current!, grid, width, tall);
  }, [grid, width, theme]);
  // With the drawing that has the new box, not after it: a key may come in between.
  useLayoutEffect(() => { if (box) setMark(undefined); }, [box && writeBox(box)]);

  const size = { w: inner / grid.columns, h: (tall - foot) / grid.rows };
  const cellAt = (e: { clientX: number; clientY: number }): Cell => {
    const r = area.current!.getBoundingClientRect();
    return {
      column: Math.max(0, Math.min(grid.columns - 1, Math.floor((e.clientX - r.left - gutter) / size.w))),
      row: Math.max(0, Math.min(grid.rows - 1, grid.rows - 1 - Math.floor((e.clientY - r.top) / size.h))),
    };
  };
  const place = (a: Cell, b: Cell) => {
    const left = Math.min(a.column, b.column), right = Math.max(a.column, b.column) + 1;
    const low = Math.min(a.row, b.row), high = Math.max(a.row, b.row) + 1;
    return { left: px(gutter + left * size.w), width: px((right - left) * size.w), top: px((grid.rows - high) * size.h), height: px((high - low) * size.h) };
  };

  const begin = (e: PointerEvent) => {
    if (e.button !== 0 || (e.target as Element).closest('button')) return;
    const el = area.current!;
    const a = cellAt(e);
    let b = a, moved = false;
    el.setPointerCapture(e.pointerId);
    setHover(undefined);
    const move = (m: PointerEvent) => {
      if (!moved && Math.hypot(m.clientX - e.clientX, m.clientY - e.clientY) < 4) return;
      moved = true;
      b = cellAt(m);
      setMark({ grid, a, b });
    };
    const end = (m: PointerEvent) => {
      el.removeEventListener('pointermove', move);
      el.removeEventListener('pointerup', end);
      el.removeEventListener('pointercancel', end);
      setMark(undefined);
      if (m.type === 'pointercancel') return;
      if (moved) choose(boxOf(grid, a, b));
      else if (grid.count[a.row * grid.columns + a.column] > 0) choose(boxOf(grid, a, a));
      else if (chosen.current) choose(undefined);
    };
    el.addEventListener('pointermove', move);
    el.addEventListener('pointerup', end);
    el.addEventListener('pointercancel', end);
  };

  const key = (e: KeyboardEvent) => {
    if (e.target !== area.current) return;
    const by: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const d = by[e.key];
    const mark = marked.current && on(grid, marked.current);
    const at = mark ?? start(grid);
    if (d) {
      const step = e.ctrlKey ? 5 : 1;
      const b = mark ? { column: clamp(at.b.column + d[0] * step, grid.columns), row: clamp(at.b.row + d[1] * step, grid.rows) } : at.b;
      setMark({ grid, a: e.shiftKey ? at.a : b, b });
    } else if (e.key === 'Enter' && mark) choose(boxOf(grid, mark.a, mark.b));
    else if (e.key === 'Escape' && mark) setMark(undefined);
    else if (e.key === 'Escape' && chosen.current) choose(undefined);
    else return;
    e.preventDefault();
    e.stopPropagation();
  };

  // Of more spans than are drawn the older ones are missing: their time is not shown as empty.
  const oldest = useMemo(() => (more ? points.reduce((t, p) => Math.min(t, p.start), until) : from), [points, more, from, until]);
  const unknown = ((Math.min(oldest, until) - from) / (until - from)) * inner;
  // What the reader points at, by mouse or keys, in words.
  const drawn = mark && on(grid, mark);
  const at = drawn ?? (hover ? { a: hover, b: hover } : undefined);
  const said = at && words(grid, at.a, at.b);
  const shown = box && !drawn ? corners(grid, box) : undefined;
  const inBox = shown && total(grid, shown.a, shown.b);
  const edges = at && [gutter + Math.min(at.a.column, at.b.column) * size.w, gutter + (Math.max(at.a.column, at.b.column) + 1) * size.w];
  const tip = edges && (edges[0] > width / 2 ? { right: px(width - edges[0] + 8) } : { left: px(edges[1] + 8) });
  return (
    <div class="heat">
      <div class="heat-area" ref={area} tabIndex={0} role="application" aria-label="Heat map of latencies" aria-describedby="heat-keys"
        style={{ height: px(tall) }} onPointerDown={begin} onKeyDown={key} onBlur={() => setMark(undefined)}
        onPointerMove={(e) => e.buttons === 0 && e.pointerType === 'mouse' && setHover(e.clientX - area.current!.getBoundingClientRect().left < gutter ? undefined : cellAt(e))}
        onPointerLeave={() => setHover(undefined)}>
        <canvas ref={canvas} aria-hidden="true" />
        {unknown > 2 && <div class="heat-unknown" style={{ left: px(gutter), width: px(unknown) }}><span>{unknown > 150 && 'Older spans are not drawn'}</span></div>}
        {shown && <div class="heat-box" style={place(shown.a, shown.b)} />}
        {drawn && <div class="heat-box drawing" style={place(drawn.a, drawn.b)} />}
        {hover && !drawn && <div class="heat-cell" style={place(hover, hover)} />}
        {said && tip && (drawn || said.count > 0) && (
          <div class="heat-tip num" style={tip}>
            <b>{whole(said.count)} {said.count === 1 ? 'span' : 'spans'}{said.errors > 0 && <span class="bad"> · {whole(said.errors)} failed</span>}</b>
            <span>{said.long}</span><span class="muted">{said.when}</span>
          </div>
        )}
        {points.length === 0 && <p class="heat-none muted">No spans in this time.</p>}
      </div>
      {box && (
        <div class="heat-chosen num">
          <span>{duration(box.min)} – {duration(box.max)} · {clock(box.from)} – {clock(box.until)}{inBox && <span class="muted"> · {whole(inBox.count)} spans{inBox.errors > 0 && ', ' + whole(inBox.errors) + ' failed'}</span>}</span>
          <Button small icon="search" onClick={() => onZoom(box)}>Zoom to this time</Button>
          <Button small kind="quiet" icon="close" onClick={() => choose(undefined)}>Clear</Button>
        </div>
      )}
      <p id="heat-keys" class="only-read">Arrow keys move, with Shift they mark a box, Enter shows its traces, Escape clears it.</p>
      <p class="only-read" role="status">{drawn && said ? `${said.count} spans, ${said.errors} failed, ${said.long}, ${said.when}` : ''}</p>
      <table class="only-read">
        <caption>Spans by duration</caption>
        <thead><tr><th scope="col">Duration</th><th scope="col">Spans</th><th scope="col">Failed</th></tr></thead>
        <tbody>{bands(grid).map((b) => <tr key={b.from}><th scope="row">{duration(b.from)} to {duration(b.until)}</th><td>{b.count}</td><td>{b.errors}</td></tr>)}</tbody>
      </table>
    </div>
  );
}

const clamp = (n: number, end: number) => Math.max(0, Math.min(end - 1, n));

// A mark is of the grid on which it was begun: what comes in meanwhile may change the grid.
interface Mark { grid: Grid; a: Cell; b: Cell }

function on(g: Grid, m: Mark): Mark {
  if (m.grid === g) return m;
  const move = (c: Cell): Cell => ({
    column: columnOf(g, timeAt(m.grid, c.column + 0.5)), row: rowOf(g, durationAt(m.grid, c.row + 0.5)),
  });
  return { grid: g, a: move(m.a), b: move(m.b) };
}

// start is where the keys begin: at the newest of the slowest.
function start(g: Grid): Mark {
  for (let row = g.rows - 1; row >= 0; row--)
    for (let column = g.columns - 1; column >= 0; column--)
      if (g.count[row * g.columns + column] > 0) return { grid: g, a: { column, row }, b: { column, row } };
  const middle = { column: g.columns >> 1, row: g.rows >> 1 };
  return { grid: g, a: middle, b: middle };
}

function words(g: Grid, a: Cell, b: Cell) {
  const x = boxOf(g, a, b);
  return { ...total(g, a, b), long: duration(x.min) + ' – ' + duration(x.max), when: clock(x.from) + ' – ' + clock(x.until) };
}

// corners finds the cells that a box covers; a little less than its ends, which are the
// beginnings of the next cells.
function corners(g: Grid, b: Box): { a: Cell; b: Cell } {
  const half = (timeAt(g, 1) - timeAt(g, 0)) / 2, ratio = Math.sqrt(durationAt(g, 1) / durationAt(g, 0));
  return {
    a: { column: columnOf(g, b.from + half), row: rowOf(g, b.min * ratio) },
    b: { column: columnOf(g, b.until - half), row: rowOf(g, b.max / ratio) },
  };
}
