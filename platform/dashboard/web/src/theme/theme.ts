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
// any of these colours can be read. None is near red, which means failure. Neighbours
// differ in lightness, too.
const hues = [58, 84, 110, 136, 162, 188, 214, 240, 266, 292, 318, 344];
let places = new Map<string, number>();

// nameServices gives services their colours: each the one that its name stands for, or
// the next that is free. So a service has the same colour on every page and in every
// session that knows the same services, and few change when another comes.
export function nameServices(names: string[]) {
  const taken = new Set<number>();
  places = new Map();
  for (const name of [...new Set(names)].sort()) {
    let p = own(name);
    for (let i = 1; taken.has(p) && i < 3 * hues.length; i++) p = ((own(name) + i) % hues.length) + hues.length * Math.floor(i / hues.length);
    taken.add(p);
    places.set(name, p);
  }
}

// own is the place of a colour that a name stands for, whoever else there is.
function own(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return ((h ^ (h >>> 15)) >>> 0) % hues.length;
}

// serviceColor returns the colour of a service in the present theme.
export function serviceColor(name: string, t: Theme = theme()): string { return color(places.get(name) ?? own(name), t); }

// seriesColor is the colour of the n-th line of a chart: those that follow each other are
// far apart.
export function seriesColor(n: number, t: Theme = theme()): string {
  return color(((8 + n * 5) % hues.length) + hues.length * Math.floor(n / hues.length), t);
}

function color(place: number, t: Theme): string {
  const at = place % hues.length;
  const round = Math.floor(place / hues.length) % 3;
  const [light, chroma] = t === 'dark' ? [at % 2 ? 0.83 : 0.72, 0.125] : [at % 2 ? 0.44 : 0.535, at % 2 ? 0.125 : 0.15];
  return `oklch(${(light - round * 0.05).toFixed(3)} ${chroma} ${hues[at]})`;
}
