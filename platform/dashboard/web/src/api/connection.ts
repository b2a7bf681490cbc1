// Whether the server answers, when it last did, and what time it is there.
import { useEffect, useState } from 'preact/hooks';

export interface Connection { lost: boolean; last: number } // last: server's time of the last answer, ms

let state: Connection = { lost: false, last: 0 };
let offset = 0;
const listeners = new Set<() => void>();

// now is the server's clock, which is the one that all times come from: a browser whose
// clock is wrong shows right ages.
export function now(): number { return Date.now() + offset; }

// seen notes whether an answer came. date is the Date header of one.
export function seen(ok: boolean, date?: string | null) {
  if (date) {
    const there = Date.parse(date);
    const apart = there - Date.now();
    if (!Number.isNaN(there) && Math.abs(apart - offset) > 2000) offset = Math.abs(apart) > 2000 ? apart : 0;
  }
  const next = { lost: !ok, last: ok ? now() : state.last };
  const changed = next.lost !== state.lost;
  state = next;
  if (changed) listeners.forEach((l) => l());
}

export function useConnection(): Connection {
  const [, draw] = useState(0);
  useEffect(() => {
    const l = () => draw((n) => n + 1);
    listeners.add(l);
    return () => void listeners.delete(l);
  }, []);
  return state;
}
