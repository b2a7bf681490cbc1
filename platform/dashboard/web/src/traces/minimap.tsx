// The whole trace in a strip, with the part of it that the waterfall shows.
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Span } from '../api';
import { useTheme } from '../theme/theme';
import { canvasColors } from './colors';
import type { Layout } from './layout';
import { paintOverview } from './paint';
import { duration } from '../ui/format';
import { px } from '../ui/px';
import { fit, pan, zoom, type View } from './view';

const tall = 52;

interface MinimapProps { spans: readonly Span[]; layout: Layout; view: View; whole: View; found: Int32Array | undefined; onView: (v: View) => void }

export function Minimap({ spans, layout, view, whole, found, onView }: MinimapProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [width, setWidth] = useState(0);
  const colors = useMemo(() => canvasColors(theme), [theme]);

  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => setWidth(box.current!.clientWidth));
    observer.observe(box.current!);
    setWidth(box.current!.clientWidth);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (width > 0) paintOverview(canvas.current!, spans, layout, width, tall, colors, found);
  }, [spans, layout, width, colors, found]);

  const all = whole.until - whole.from || 1;
  const left = ((view.from - whole.from) / all) * width, right = ((view.until - whole.from) / all) * width;
  const zoomed = right - left < width - 0.5;

  // Inside of the shown part a drag moves it, at its edges it widens it, elsewhere it
  // marks a new one.
  const begin = (e: PointerEvent) => {
    const el = box.current!;
    const origin = el.getBoundingClientRect().left;
    const at = (m: PointerEvent) => whole.from + (Math.max(0, Math.min(width, m.clientX - origin)) / width) * all;
    const x = e.clientX - origin, a = at(e), old = view;
    const edge = !zoomed ? '' : Math.abs(x - left) < 7 ? 'from' : Math.abs(x - right) < 7 ? 'until' : x > left && x < right ? 'move' : '';
    el.setPointerCapture(e.pointerId);
    let moved = false;
    const move = (m: PointerEvent) => {
      const b = at(m);
      if (!moved && Math.abs(m.clientX - e.clientX) < 4) return;
      moved = true;
      if (edge === 'move') onView(fit({ from: old.from + b - a, until: old.until + b - a }, whole));
      else if (edge === 'from') onView(fit({ from: Math.min(b, old.until), until: old.until }, whole));
      else if (edge === 'until') onView(fit({ from: old.from, until: Math.max(b, old.from) }, whole));
      else onView(fit({ from: Math.min(a, b), until: Math.max(a, b) }, whole));
    };
    const end = () => {
      el.removeEventListener('pointermove', move);
      el.removeEventListener('pointerup', end);
      el.removeEventListener('pointercancel', end);
    };
    el.addEventListener('pointermove', move);
    el.addEventListener('pointerup', end);
    el.addEventListener('pointercancel', end);
  };

  const key = (e: KeyboardEvent) => {
    const v = e.key === 'ArrowLeft' ? pan(view, whole, -0.2) : e.key === 'ArrowRight' ? pan(view, whole, 0.2)
      : e.key === 'ArrowUp' ? zoom(view, whole, 0.7) : e.key === 'ArrowDown' ? zoom(view, whole, 1 / 0.7)
        : e.key === 'Home' ? whole : undefined;
    if (!v) return;
    onView(v);
    e.preventDefault();
    e.stopPropagation();
  };

  return (
    <div class="minimap" ref={box} tabIndex={0} role="slider" aria-label="Shown part of the trace" aria-valuemin={0} aria-valuemax={100}
      aria-valuenow={Math.round(((view.from - whole.from) / all) * 100)} aria-valuetext={'from ' + duration(view.from) + ' to ' + duration(view.until)}
      onPointerDown={begin} onDblClick={() => onView(whole)} onKeyDown={key} title="Drag to zoom, double-click for all">
      <canvas ref={canvas} aria-hidden="true" />
      {zoomed && <>
        <span class="minimap-off" style={{ left: 0, width: px(Math.max(0, left)) }} />
        <span class="minimap-off" style={{ left: px(right), right: 0 }} />
        <span class="minimap-part" style={{ left: px(left), width: px(Math.max(3, right - left)) }} />
      </>}
    </div>
  );
}
