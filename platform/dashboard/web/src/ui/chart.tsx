import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { seriesColor, token, useTheme } from '../theme/theme';
import { count, timeLabels } from './format';
import { px } from './px';

export interface Line { name: string; values: Series; color?: string }
type Series = (number | null)[];

export interface ChartProps {
  label: string; // what it shows, for a screen reader
  times: number[]; // ms since 1970, rising
  lines: Line[];
  height?: number;
  format?: (n: number) => string; // of values
  binary?: boolean; // values are bytes: round ones are powers of two
  area?: boolean;
  bars?: boolean; // of the first line
  from?: number; until?: number; // the range shown, ms; else that of the times
  marks?: { time: number; title: string }[]; // moments of changes
  onRange?: (from: number, until: number) => void; // a range was dragged out
  sync?: string; // charts of one name share the cursor
  gutter?: number; // px; the least width of the values' axis, so that charts below each other have one time
  hidden?: Set<string>; // names of lines not drawn
  onCursor?: (index: number | null) => void;
}

// Chart draws lines over time on a canvas. It draws again when theme or size change. Put
// a table of the same figures beside it: a canvas tells a screen reader nothing.
export function Chart(p: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(p);
  latest.current = p;
  const t = useTheme();
  const shape = p.lines.map((l) => `${l.name}\u0000${l.color ?? ''}`).join('\u0001') + `|${p.height}|${p.area}|${p.bars}|${p.sync}|${p.gutter}|${!!p.onRange}|${!!p.binary}`;

  useEffect(() => {
    const el = box.current;
    if (!el) return;
    // A chart that shares the cursor is told of its neighbours' drags, too: they are not its own.
    let own = false;
    const begin = () => { own = true; };
    el.addEventListener('pointerdown', begin);
    const chosen = (from: number, until: number) => {
      if (own) latest.current.onRange?.(from, until);
      own = false;
    };
    const u = new uPlot(options(latest, el.clientWidth, chosen), dataOf(latest.current), el);
    plot.current = u;
    const watch = new ResizeObserver(() => {
      if (el.clientWidth && el.clientWidth !== u.width) u.setSize({ width: el.clientWidth, height: latest.current.height ?? 200 });
    });
    watch.observe(el);
    return () => {
      el.removeEventListener('pointerdown', begin);
      watch.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [shape, t]);

  useEffect(() => {
    const u = plot.current;
    if (!u) return;
    u.batch(() => {
      u.setData(dataOf(p), false);
      p.lines.forEach((l, i) => {
        const show = !p.hidden?.has(l.name);
        if (u.series[i + 1] && u.series[i + 1].show !== show) u.setSeries(i + 1, { show });
      });
      u.setScale('x', range(p));
    });
  }, [p.times, p.lines, p.from, p.until, p.hidden]);

  return <div ref={box} class="chart" role="img" aria-label={p.label} style={{ height: px(p.height ?? 200) }} />;
}

// alone are the values that have none beside them: no line goes through them.
const alone: uPlot.Series.Points.Filter = (u, i) => {
  const v = u.data[i];
  const list: number[] = [];
  for (let k = 0; k < v.length; k++) if (v[k] !== null && (v[k - 1] ?? null) === null && (v[k + 1] ?? null) === null) list.push(k);
  return list;
};

const powersOfTwo = Array.from({ length: 61 }, (_, i) => 2 ** i);

function dataOf(p: ChartProps): uPlot.AlignedData {
  return [p.times.map((ms) => ms / 1000), ...p.lines.map((l) => l.values)];
}

function range(p: ChartProps): { min: number; max: number } {
  const min = (p.from ?? p.times[0] ?? 0) / 1000;
  const max = (p.until ?? p.times[p.times.length - 1] ?? 1000) / 1000;
  return max > min ? { min, max } : { min: min - 30, max: min + 30 };
}

function options(latest: { current: ChartProps }, width: number, chosen: (from: number, until: number) => void): uPlot.Options {
  const p = latest.current;
  const faint = token('--faint');
  const axis = { stroke: faint, font: `11px ${token('--font')}`, grid: { stroke: token('--line'), width: 1 }, ticks: { show: false } };
  const format = (n: number) => (latest.current.format ?? count)(n);
  return {
    width, height: p.height ?? 200, padding: [8, 28, 0, 0], legend: { show: false },
    cursor: {
      y: false, points: { size: 6 }, sync: p.sync ? { key: p.sync } : undefined,
      drag: { x: !!p.onRange, y: false, setScale: false },
    },
    scales: { x: { time: true, range: () => { const r = range(latest.current); return [r.min, r.max]; } }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 28, grid: { show: false }, space: 72, values: (_, at, __, ___, step) => timeLabels(at, step) },
      { ...axis, size: (_, values) => Math.max(p.gutter ?? 40, ...(values ?? []).map((v) => v.length * 6.4 + 14)), space: 32, incrs: p.binary ? powersOfTwo : undefined, values: (_, at) => at.map((v) => format(v)) },
    ],
    series: [{}, ...p.lines.map((l, i): uPlot.Series => {
      const color = l.color ?? seriesColor(i);
      return {
        label: l.name, stroke: color, width: 1.5, points: { show: !p.bars, size: 4, fill: color, filter: alone }, spanGaps: false, show: !p.hidden?.has(l.name),
        fill: p.area || p.bars ? `color-mix(in srgb, ${color} ${p.bars ? 60 : 12}%, transparent)` : undefined,
        paths: p.bars ? uPlot.paths.bars!({ size: [0.8, 24] }) : undefined,
      };
    })],
    hooks: {
      setSelect: [(u) => {
        if (u.select.width > 3) chosen(u.posToVal(u.select.left, 'x') * 1000, u.posToVal(u.select.left + u.select.width, 'x') * 1000);
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
      setCursor: [(u) => latest.current.onCursor?.(u.cursor.idx ?? null)],
      draw: [(u) => {
        for (const m of latest.current.marks ?? []) {
          const x = u.valToPos(m.time / 1000, 'x', true);
          if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
          u.ctx.save();
          u.ctx.strokeStyle = token('--accent');
          u.ctx.globalAlpha = 0.7;
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
          u.ctx.beginPath();
          u.ctx.moveTo(x, u.bbox.top);
          u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
          u.ctx.stroke();
          u.ctx.restore();
        }
      }],
    },
  };
}
