// The names of the services: asked for once, however many places on a page want them, and
// again when a page is opened and they are a minute old.
import { useEffect, useState } from 'preact/hooks';
import { ask, list, type ServiceNames, type Services } from '../api';
import { nameServices } from '../theme/theme';

const fresh = 60_000;
let known: ServiceNames[] | undefined;
let asked = -Infinity;
const listeners = new Set<() => void>();

async function load() {
  asked = performance.now();
  try {
    known = list((await ask<Services>('/v1/telemetry/services', { timeout: 5000 })).services);
    nameServices(known.map((s) => s.name));
  } catch {
    asked = performance.now() - fresh + 5000; // pages say themselves what fails; the next one asks again
  }
  listeners.forEach((l) => l());
}

// useServices returns the services that telemetry tells of; undefined as long as nobody knows.
export function useServices(): ServiceNames[] | undefined {
  const [, draw] = useState(0);
  useEffect(() => {
    const l = () => draw((n) => n + 1);
    listeners.add(l);
    if (performance.now() - asked > fresh) void load();
    return () => void listeners.delete(l);
  }, []);
  return known;
}
