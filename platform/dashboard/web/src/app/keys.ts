// Keys: single ones and two in a row ("g m"). They rest while somebody types.
import { useEffect } from 'preact/hooks';

export type Keys = Record<string, (e: KeyboardEvent) => void>;

const layers: Keys[] = [];
let first = '';
let timer = 0;

export function typing(e: Event): boolean {
  const t = e.target as HTMLElement | null;
  return !!t && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName));
}

export function listenForKeys() {
  addEventListener('keydown', (e) => {
    if (e.metaKey || e.ctrlKey || e.altKey || e.defaultPrevented) return;
    if (typing(e) && e.key !== 'Escape') return;
    if (document.querySelector('dialog[open]')) return; // a dialog has keys of its own
    const pair = first ? `${first} ${e.key}` : '';
    first = '';
    for (const name of pair ? [pair, e.key] : [e.key]) {
      const layer = layers.findLast((l) => l[name]);
      if (layer) {
        if (!(name === 'Escape' && typing(e))) e.preventDefault();
        layer[name](e);
        return;
      }
    }
    if (e.key === 'g') {
      first = 'g';
      clearTimeout(timer);
      timer = window.setTimeout(() => (first = ''), 1200);
    }
  });
}

// useKeys has keys do things while the component is there; the latest component wins.
export function useKeys(keys: Keys, deps: unknown[] = []) {
  useEffect(() => {
    layers.push(keys);
    return () => void layers.splice(layers.indexOf(keys), 1);
  }, deps);
}
