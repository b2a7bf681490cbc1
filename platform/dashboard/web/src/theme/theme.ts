// The theme follows the system until a person chooses; the choice is kept in the browser.
import { useEffect, useState } from 'preact/hooks';

export type Theme = 'light' | 'dark';

const key = 'muster.theme';
const listeners = new Set<() => void>();
const system = matchMedia('(prefers-color-scheme: dark)');

function chosen(): Theme | null {
  try {
    const t = localStorage.getItem(key);
    return t === 'light' || t === 'dark' ? t : null;
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

export function theme(): Theme {
  return document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light';
}

function apply() {
  document.documentElement.dataset.theme = chosen() ?? (system.matches ? 'dark' : 'light');
  listeners.forEach((l) => l());
}

// startTheme is called once, before the first drawing.
export function startTheme() {
  apply();
  system.addEventListener('change', apply);
}

export function switchTheme() {
  try {
    localStorage.setItem(key, theme() === 'dark' ? 'light' : 'dark');
    apply();
  } catch {
    document.documentElement.dataset.theme = theme() === 'dark' ? 'light' : 'dark';
    listeners.forEach((l) => l());
  }
}

// useTheme draws again when the theme changes: what paints on a canvas needs that.
export function useTheme(): Theme {
  const [t, set] = useState(theme());
  useEffect(() => {
    const l = () => set(theme());
    listeners.add(l);
    return () => void listeners.delete(l);
  }, []);
  return t;
}

// token returns the value of a CSS variable, for canvases: token('--line').
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Hues of OKLCH, in which equal lightness looks equally light, so that names written in
// any of these colours can be read. None is near red, which means failure.
const hues = [280, 195, 70, 245, 325, 130, 355, 165, 95, 262, 148, 305];
const places = new Map<string, number>();

// nameServices gives services their colours in a fixed order, so that a service has the
// same colour on every page and in every session that knows the same services.
export function nameServices(names: string[]) {
  [...names].sort().forEach(place);
}

function place(name: string): number {
  let p = places.get(name);
  if (p === undefined) {
    p = places.size;
    places.set(name, p);
  }
  return p;
}

// serviceColor returns the colour of a service in the present theme.
export function serviceColor(name: string, t: Theme = theme()): string { return seriesColor(place(name), t); }

// seriesColor is serviceColor for the n-th line of a chart.
export function seriesColor(n: number, t: Theme = theme()): string {
  const hue = hues[n % hues.length];
  const round = Math.floor(n / hues.length) % 3;
  return t === 'dark' ? `oklch(${0.78 - round * 0.09} 0.13 ${hue})` : `oklch(${0.515 - round * 0.06} 0.155 ${hue})`;
}
