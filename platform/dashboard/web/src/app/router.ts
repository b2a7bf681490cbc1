// The address says all: which page, which filters, which time. Going back goes back.
import { useEffect, useState } from 'preact/hooks';

const listeners = new Set<() => void>();

function changed() { listeners.forEach((l) => l()); }
addEventListener('popstate', changed);

// go changes the address. replace: as part of the page being looked at, not as a step.
export function go(to: string, replace = false) {
  const url = new URL(to, location.href);
  if (url.href === location.href) return;
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  changed();
  if (!replace) scrollTo(0, 0);
}

// setParams changes parameters of the present address; empty ones go. It is a step
// (Back undoes it) unless replace is true, as while somebody types.
export function setParams(params: Record<string, string | string[] | null | undefined>, replace = false) {
  const url = new URL(location.href);
  for (const [k, v] of Object.entries(params)) {
    url.searchParams.delete(k);
    for (const one of Array.isArray(v) ? v : v ? [v] : []) url.searchParams.append(k, one);
  }
  go(url.pathname + url.search, replace);
}

export interface Route { path: string; params: URLSearchParams; get: (name: string, otherwise?: string) => string }

export function route(): Route {
  const params = new URLSearchParams(location.search);
  return { path: location.pathname, params, get: (name, otherwise = '') => params.get(name) ?? otherwise };
}

// useRoute draws again whenever the address changes.
export function useRoute(): Route {
  const [, draw] = useState(0);
  useEffect(() => {
    const l = () => draw((n) => n + 1);
    listeners.add(l);
    return () => void listeners.delete(l);
  }, []);
  return route();
}

// followLinks lets links within the dashboard change the address without loading it anew.
export function followLinks() {
  addEventListener('click', (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = (e.target as Element | null)?.closest?.('a');
    if (!a || a.target || a.origin !== location.origin || a.hasAttribute('download') || /^\/(v1|api|metrics)(\/|$)/.test(a.pathname)) return;
    e.preventDefault();
    go(a.pathname + a.search + a.hash);
  });
}
