import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

// useVirtual tells which of many rows of one height are in sight within a scrolling box,
// with some more on both sides.
export function useVirtual(box: RefObject<HTMLElement>, rows: number, height: number, more = 10): { from: number; until: number } {
  const [s, set] = useState({ top: 0, size: 600 });
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    let frame = 0;
    const look = () => {
      frame = 0;
      set((o) => (o.top === el.scrollTop && o.size === el.clientHeight ? o : { top: el.scrollTop, size: el.clientHeight }));
    };
    const later = () => { frame ||= requestAnimationFrame(look); };
    look();
    el.addEventListener('scroll', later, { passive: true });
    const watch = new ResizeObserver(later);
    watch.observe(el);
    return () => {
      cancelAnimationFrame(frame);
      el.removeEventListener('scroll', later);
      watch.disconnect();
    };
  }, [box.current]);
  const from = Math.max(0, Math.floor(s.top / height) - more);
  return { from, until: Math.min(rows, from + Math.ceil(s.size / height) + 2 * more) };
}
