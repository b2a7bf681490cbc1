// The head of the waterfall: round times, dragged over to zoom, and the divider of the columns.
import { useRef, useState } from 'preact/hooks';
import { duration } from '../ui/format';
import { px } from '../ui/px';
import { fit, type View } from './view';

export const rulerHeight = 28;

interface RulerProps {
  names: number; width: number; total: number; view: View; whole: View; ticks: readonly number[];
  onView: (v: View) => void; onNames: (px: number) => void;
}

export function Ruler({ names, width, total, view, whole, ticks, onView, onNames }: RulerProps) {
  const [drag, setDrag] = useState<{ a: number; b: number } | undefined>();
  const divider = useRef<HTMLDivElement>(null);
  const scale = width / (view.until - view.from);
  const zoomed = view.until - view.from < (whole.until - whole.from) * 0.9999;

  const begin = (e: PointerEvent) => {
    const el = e.currentTarget as HTMLElement;
    const left = el.getBoundingClientRect().left;
    const place = (m: PointerEvent) => Math.max(0, Math.min(width, m.clientX - left));
    const a = place(e);
    let b = a;
    el.setPointerCapture(e.pointerId);
    const move = (m: PointerEvent) => setDrag({ a, b: (b = place(m)) });
    const end = () => {
      el.removeEventListener('pointermove', move);
      el.removeEventListener('pointerup', end);
      el.removeEventListener('pointercancel', end);
      setDrag(undefined);
      if (Math.abs(b - a) > 4) onView(fit({ from: view.from + Math.min(a, b) / scale, until: view.from + Math.max(a, b) / scale }, whole));
    };
    el.addEventListener('pointermove', move);
    el.addEventListener('pointerup', end);
    el.addEventListener('pointercancel', end);
    e.preventDefault();
  };

  const slide = (e: PointerEvent) => {
    const el = divider.current!;
    const left = el.closest('.wf')!.getBoundingClientRect().left;
    el.setPointerCapture(e.pointerId);
    const move = (m: PointerEvent) => onNames(m.clientX - left);
    const end = () => {
      el.removeEventListener('pointermove', move);
      el.removeEventListener('pointerup', end);
      el.removeEventListener('pointercancel', end);
    };
    el.addEventListener('pointermove', move);
    el.addEventListener('pointerup', end);
    el.addEventListener('pointercancel', end);
    e.preventDefault();
  };

  return (
    <div class="wf-head" role="row" style={{ height: px(rulerHeight) }}>
      <div role="columnheader" class="wf-head-name" style={{ width: px(names) }}>Span</div>
      <div role="columnheader" class="wf-ruler" style={{ width: px(width) }} aria-label="Time" onPointerDown={begin} onDblClick={() => onView(whole)}
        title="Drag to zoom, double-click for all">
        {ticks.map((t) => {
          const x = (t - view.from) * scale;
          return x > width - 36 ? null : <span key={t} class="wf-tick num" style={{ left: px(x) }}>{duration(t)}</span>;
        })}
        {drag && <span class="wf-drag" style={{ left: px(Math.min(drag.a, drag.b)), width: px(Math.abs(drag.b - drag.a)) }} />}
        {zoomed && <button type="button" class="wf-all" onPointerDown={(e) => e.stopPropagation()} onClick={() => onView(whole)}>All</button>}
      </div>
      <div ref={divider} class="wf-divider" role="presentation" style={{ left: px(names - 4) }} onPointerDown={slide} onDblClick={() => onNames(total * 0.36)} />
    </div>
  );
}
