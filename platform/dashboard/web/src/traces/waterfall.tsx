// The waterfall: a tree of spans on the left, their time on the right. A screen of rows
// is there at any time, however many spans there are. The rows are a treegrid, for the
// keyboard and for those who listen; the bars are one canvas that scrolls with them.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Log, Span } from '../api';
import { useTheme } from '../theme/theme';
import { canvasColors } from './colors';
import { below, onScreen, rowOf, type Layout } from './layout';
import { paintBars, rowHeight } from './paint';
import { Row } from './row';
import { Ruler, rulerHeight } from './ruler';
import { px } from '../ui/px';
import { durationTicks } from './ticks';
import { zoom, type View } from './view';

export interface WaterfallProps {
  spans: readonly Span[]; layout: Layout; rows: Int32Array; folded: Uint8Array;
  view: View; whole: View; critical: boolean;
  active: number; // the span that the keys are on; -1: none
  found: Uint8Array | undefined; // spans that the find field speaks of
  logs: ReadonlyMap<string, readonly Log[]>;
  onView: (v: View) => void;
  onActive: (i: number, open: boolean) => void;
  onFold: (i: number, all: boolean) => void;
}

const over = 10; // rows beyond the screen that are there already when it scrolls
const pace = 6; // rows by which the window moves: fewer drawings while scrolling

export function Waterfall(p: WaterfallProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const cross = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [share, setShare] = useState(() => (innerWidth < 700 ? 0.42 : 0.36));
  const [part, setPart] = useState({ first: 0, end: 40 });

  const names = Math.round(Math.max(120, Math.min(size.width - 140, size.width * share)));
  const width = Math.max(60, size.width - names);
  const first = Math.min(part.first, p.rows.length), end = Math.min(part.end, p.rows.length);

  const place = useCallback(() => {
    const el = box.current;
    if (!el) return;
    const seen = onScreen(el.scrollTop, el.clientHeight - rulerHeight, rowHeight, p.rows.length, over);
    const from = Math.max(0, Math.floor(seen.first / pace) * pace);
    const until = Math.min(p.rows.length, Math.ceil(seen.end / pace) * pace);
    setPart((old) => (old.first === from && old.end === until ? old : { first: from, end: until }));
  }, [p.rows]);

  useLayoutEffect(() => {
    const el = box.current!;
    const measure = () => {
      setSize({ width: el.clientWidth, height: el.clientHeight });
      place();
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(el);
    return () => observer.disconnect();
  }, [place]);

  const ticks = useMemo(() => durationTicks(p.view.from, p.view.until, Math.max(2, width / 110)), [p.view, width]);
  const colors = useMemo(() => canvasColors(theme), [theme]);
  useLayoutEffect(() => {
    if (size.width === 0 || !canvas.current) return;
    paintBars(canvas.current, { ...p, first, end, width, colors, ticks });
  }, [p.spans, p.layout, p.rows, p.view, p.critical, p.logs, first, end, width, size.width, colors, ticks]);

  // The row that the keys are on is always seen.
  useLayoutEffect(() => {
    const el = box.current;
    if (!el || p.active < 0) return;
    const at = rowOf(p.rows, p.active) * rowHeight;
    const room = el.clientHeight - rulerHeight;
    if (at < el.scrollTop + rowHeight || at + rowHeight > el.scrollTop + room - rowHeight) {
      const far = at < el.scrollTop - room || at > el.scrollTop + 2 * room;
      if (far) el.scrollTop = at - room / 3;
      else if (at < el.scrollTop + rowHeight) el.scrollTop = at - 2 * rowHeight;
      else el.scrollTop = at + 3 * rowHeight - room;
    }
  }, [p.active, p.rows]);

  // A wheel with Ctrl (what a pinch is, too) zooms. Not passive: the page must not zoom.
  useEffect(() => {
    const el = box.current!;
    const wheel = (e: WheelEvent) => {
      if (!e.ctrlKey && !e.metaKey) return;
      e.preventDefault();
      const x = e.clientX - el.getBoundingClientRect().left - names;
      const at = p.view.from + ((p.view.until - p.view.from) * Math.max(0, x)) / width;
      p.onView(zoom(p.view, p.whole, Math.exp(Math.max(-60, Math.min(60, e.deltaY)) / 150), at));
    };
    el.addEventListener('wheel', wheel, { passive: false });
    return () => el.removeEventListener('wheel', wheel);
  }, [p.view, p.whole, names, width, p.onView]);

  // Keys may come faster than rows are drawn: they go on from where the last one went.
  const moved = useRef<number | undefined>(undefined);
  useLayoutEffect(() => { moved.current = undefined; }, [p.active, p.rows]);
  const key = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target !== box.current) return;
    const i = moved.current ?? p.active;
    const at = rowOf(p.rows, i), last = p.rows.length - 1;
    const page = Math.max(1, Math.floor((size.height - rulerHeight) / rowHeight) - 2);
    const go = (to: number) => p.onActive(moved.current = to, false);
    const move = (row: number) => go(p.rows[Math.max(0, Math.min(last, row))]);
    switch (e.key) {
      case 'ArrowDown': move(at + 1); break;
      case 'ArrowUp': move(Math.max(0, at - 1)); break;
      case 'PageDown': move(at + page); break;
      case 'PageUp': move(at - page); break;
      case 'Home': move(0); break;
      case 'End': move(last); break;
      case 'Enter': case ' ': if (i >= 0) p.onActive(i, true); break;
      case 'ArrowRight':
        if (i >= 0 && p.folded[i]) p.onFold(i, e.shiftKey);
        else if (i >= 0 && below(p.layout, i) > 0) move(at + 1);
        break;
      case 'ArrowLeft':
        if (i >= 0 && !p.folded[i] && below(p.layout, i) > 0) p.onFold(i, e.shiftKey);
        else if (i >= 0 && p.layout.parent[i] >= 0) go(p.layout.parent[i]);
        break;
      default: return;
    }
    e.preventDefault();
    e.stopPropagation();
  };

  const hover = (e: PointerEvent) => {
    const el = cross.current;
    if (!el) return;
    const x = e.clientX - box.current!.getBoundingClientRect().left - names;
    el.hidden = x < 0;
    el.style.transform = `translateX(${names + Math.max(0, x)}px)`;
  };

  const indent = Math.min(14, (names * 0.45) / Math.max(1, deepest(p.layout)));
  const list = [];
  for (let r = first; r < end; r++) {
    const i = p.rows[r];
    list.push(
      <Row key={r % (part.end - part.first)} span={p.spans[i]} i={i} row={r} layout={p.layout} names={names} indent={indent} top={(r - first) * rowHeight}
        folded={!!p.folded[i]} active={i === p.active} found={p.found?.[i] === 1} dim={p.found !== undefined && p.found[i] !== 1}
        logs={p.logs.get(p.spans[i].id)} onActive={p.onActive} onFold={p.onFold} />,
    );
  }
  return (
    <div class="wf" ref={box} role="treegrid" aria-label="Spans" aria-rowcount={p.rows.length} aria-colcount={2} tabIndex={0}
      aria-activedescendant={p.active >= 0 ? 'span-' + p.active : undefined} aria-describedby="wf-keys"
      onScroll={place} onKeyDown={key} onPointerMove={hover} onPointerLeave={() => (cross.current!.hidden = true)}>
      <Ruler names={names} width={width} view={p.view} whole={p.whole} ticks={ticks} onView={p.onView} onNames={(n) => setShare(n / size.width)} total={size.width} />
      <div class="wf-body" role="rowgroup" style={{ height: px(p.rows.length * rowHeight) }}>
        <div class="wf-part" role="presentation" style={{ transform: `translateY(${first * rowHeight}px)` }}>
          {list}
          <canvas ref={canvas} class="wf-bars" style={{ left: px(names) }} aria-hidden="true" />
        </div>
      </div>
      <div class="wf-cross" ref={cross} hidden aria-hidden="true" />
      <p id="wf-keys" class="only-read">Arrow keys move, left and right fold and open, Enter shows the span.</p>
    </div>
  );
}

const depths = new WeakMap<Layout, number>();
function deepest(l: Layout): number {
  let d = depths.get(l);
  if (d === undefined) {
    d = 0;
    for (let i = 0; i < l.size; i++) if (l.depth[i] > d) d = l.depth[i];
    depths.set(l, d);
  }
  return d;
}
