import { useLayoutEffect } from 'preact/hooks';

/**
 * Gives an element the height that is left of the window below its place, at least
 * `least` px: what scrolls inside of itself must end where the window does.
 */
export function useFill(box: { current: HTMLElement | null }, least = 360, deps: unknown[] = []): void {
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const fill = () => {
      const top = el.getBoundingClientRect().top + scrollY;
      const under = innerWidth <= 720 ? 58 + 20 : 20; // a bar of pages is at the bottom of small screens
      const low = innerWidth < 720 ? Math.max(least, innerHeight * 0.75) : least; // there the page scrolls
      el.style.height = Math.max(low, innerHeight - top - under) + 'px';
    };
    // What is above comes, goes and grows.
    const observer = new ResizeObserver(fill);
    const watch = () => {
      observer.disconnect();
      for (const c of el.parentElement?.children ?? []) if (c !== el) observer.observe(c);
      fill();
    };
    watch();
    const siblings = new MutationObserver(watch);
    if (el.parentElement) siblings.observe(el.parentElement, { childList: true });
    addEventListener('resize', fill);
    return () => {
      observer.disconnect();
      siblings.disconnect();
      removeEventListener('resize', fill);
    };
  }, [least, ...deps]);
}
