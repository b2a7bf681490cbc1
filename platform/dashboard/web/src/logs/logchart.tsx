// How much was logged when, over the lines: drag over it to see that time alone.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { now } from '../api';
import { prepare } from '../traces/paint';
import { px } from '../ui/px';
import { timeLabel, timeTicks } from '../traces/ticks';
import { token, useTheme } from '../ui';
import { clock, moment, whole } from '../ui/format';
import { histogram, severities, type Histogram } from './histogram';
import type { Ring } from './ring';
import type { Line } from './tail';

const tall = 72, foot = 18;
const names = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'none'];
const tokens = ['--bad', '--bad', '--warn', '--info', '--faint', '--faint', '--faint'];

interface LogHistogramProps {
  ring: Ring<Line>; version: number; from: number; until: number | undefined;
  more: boolean; // the store has older ones than the page holds
  onRange: (from: number, until: number) => void;
}

export function LogHistogram({ ring, version, from, until, more, onRange }: LogHistogramProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [width, setWidth] = useState(0);
  const [h, setH] = useState<Histogram | undefined>();
  const [drag, setDrag] = useState<{ a: number; b: number } | undefined>();
  const [hover, setHover] = useState(-1);
  const [due, setDue] = useState(false); // what is drawn is older than the list

  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => setWidth(box.current!.clientWidth));
    observer.observe(box.current!);
    setWidth(box.current!.clientWidth);
    return () => observer.disconnect();
  }, []);

  // Counted anew at most twice a second, however fast lines come.
  const last = useRef(0);
  useEffect(() => {
    if (width === 0) return;
    const count = () => {
      last.current = performance.now();
      setDue(false);
      // Where older ones are not loaded, their time would look empty: it is not shown.
      const start = (more || ring.gone > 0) && ring.size > 0 ? ring.at(0).time : from;
      const end = Math.max(until ?? now(), ring.size > 0 ? ring.at(ring.size - 1).time + 1 : 0);
      setH(histogram(ring.size, (i) => ring.at(i), Math.min(start, end - 1), end, Math.max(10, Math.floor(width / 7))));
    };
    const wait = 500 - (performance.now() - last.current);
    if (wait <= 0) return count();
    setDue(true);
    const timer = window.setTimeout(count, wait);
    return () => clearTimeout(timer);
  }, [version, width, from, until, more]);
  useLayoutEffect(() => {
    if (h && width > 0) paint(canvas.current!, h, width);
  }, [h, width, theme]);

  const at = (e: { clientX: number }) => Math.max(0, Math.min(width, e.clientX - box.current!.getBoundingClientRect().left));
  const begin = (e: PointerEvent) => {
    if (!h || e.button !== 0) return;
    const el = box.current!;
    const a = at(e);
    let b = a;
    el.setPointerCapture(e.pointerId);
    const move = (m: PointerEvent) => setDrag({ a, b: (b = at(m)) });
    const end = (m: PointerEvent) => {
      el.removeEventListener('pointermove', move);
      el.removeEventListener('pointerup', end);
      el.removeEventListener('pointercancel', end);
      setDrag(undefined);
      const ms = (x: number) => h.from + (x / width) * (h.until - h.from);
      if (m.type === 'pointerup' && Math.abs(b - a) > 4) onRange(Math.floor(ms(Math.min(a, b))), Math.ceil(ms(Math.max(a, b))));
    };
    el.addEventListener('pointermove', move);
    el.addEventListener('pointerup', end);
    el.addEventListener('pointercancel', end);
  };

  const sums = severities.map((_, s) => h?.counts.reduce((n, c) => n + c[s], 0) ?? 0);
  const column = h && hover >= 0 ? Math.min(h.counts.length - 1, Math.floor((hover / width) * h.counts.length)) : -1;
  return (
    <div class="log-chart" aria-busy={due}>
      <div class="log-chart-area" ref={box} style={{ height: px(tall) }} onPointerDown={begin} onPointerMove={(e) => setHover(e.pointerType === 'mouse' ? at(e) : -1)} onPointerLeave={() => setHover(-1)}>
        <canvas ref={canvas} aria-hidden="true" />
        {drag && <span class="wf-drag" style={{ left: px(Math.min(drag.a, drag.b)), width: px(Math.abs(drag.b - drag.a)) }} />}
        {h && column >= 0 && !drag && (
          <div class="heat-tip num" style={hover > width / 2 ? { right: px(width - hover + 12) } : { left: px(hover + 12) }}>
            <b>{clock(h.from + column * h.step)} – {clock(h.from + (column + 1) * h.step)}</b>
            {severities.map((_, s) => h.counts[column][s] > 0 && <span key={s}>{names[s]} {whole(h.counts[column][s])}</span>)}
          </div>
        )}
      </div>
      <ul class="log-sums" aria-label="Records by severity">
        {severities.map((_, s) => sums[s] > 0 && <li key={s} class="num"><i style={{ background: `var(${tokens[s]})` }} />{names[s]} <b>{whole(sums[s])}</b></li>)}
        {h && ring.size > 0 && <li class="muted num log-covers">{more || ring.gone > 0 ? `the newest ${whole(ring.size)}, since ${moment(ring.at(0).time, now())}; older ones are not counted` : `all since ${moment(from, now())}`}</li>}
      </ul>
    </div>
  );
}

function paint(canvas: HTMLCanvasElement, h: Histogram, width: number): void {
  const ctx = prepare(canvas, width, tall);
  const deep = tall - foot;
  const w = width / h.counts.length;
  const colors = tokens.map(token);
  ctx.font = '11px Inter, system-ui, sans-serif';
  ctx.textAlign = 'center';
  const ticks = timeTicks(h.from, h.until, Math.max(2, Math.floor(width / 100)));
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : h.until - h.from;
  for (const t of ticks) {
    const x = ((t - h.from) / (h.until - h.from)) * width;
    ctx.fillStyle = token('--line');
    ctx.fillRect(Math.round(x), 0, 1, deep + 3);
    ctx.fillStyle = token('--faint');
    if (x > 20 && x < width - 24) ctx.fillText(timeLabel(t, step), x, tall - 4);
  }
  ctx.fillStyle = token('--line');
  ctx.fillRect(0, deep, width, 1);
  h.counts.forEach((c, i) => {
    let y = deep;
    // The least severe lie at the bottom: what went wrong is the top, and is seen.
    for (let s = severities.length - 1; s >= 0; s--) {
      if (c[s] === 0) continue;
      const tallness = Math.max(s <= 2 ? 2 : 1, (c[s] / h.most) * (deep - 4));
      ctx.fillStyle = colors[s];
      ctx.globalAlpha = s >= 3 ? 0.6 : s === 2 ? 0.75 : 1;
      y -= tallness;
      ctx.fillRect(i * w + 0.5, y, Math.max(1, w - 1), tallness);
    }
  });
  ctx.globalAlpha = 1;
}
