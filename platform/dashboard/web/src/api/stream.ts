// One stream of server-sent events for the whole page, of the events that somebody on it
// listens for. It connects again by itself, and notices when it went silent.
import { seen } from './connection';

export type StreamEvent = 'overview' | 'map' | 'traces' | 'health';

const listeners = new Map<StreamEvent, Set<(data: unknown) => void>>();
let source: EventSource | undefined;
let timer = 0;
let fails = 0;
let heard = 0;

// subscribe calls on with the data of each event until the returned function is called.
export function subscribe(event: StreamEvent, on: (data: unknown) => void): () => void {
  let set = listeners.get(event);
  if (!set) listeners.set(event, (set = new Set()));
  set.add(on);
  restart();
  return () => {
    set.delete(on);
    if (set.size === 0) {
      listeners.delete(event);
      restart();
    }
  };
}

// restart waits a moment: a page that comes and one that goes are one change.
function restart(wait = 30) {
  clearTimeout(timer);
  timer = window.setTimeout(connect, wait);
}

function connect() {
  source?.close();
  source = undefined;
  if (listeners.size === 0) return;
  const s = new EventSource(`/v1/stream?events=${[...listeners.keys()].sort().join(',')}`);
  source = s;
  heard = Date.now();
  for (const [event, set] of listeners) {
    s.addEventListener(event, (e) => {
      note();
      let data: unknown;
      try {
        data = JSON.parse((e as MessageEvent<string>).data);
      } catch {
        return; // cut off in the middle: the next one is whole
      }
      set.forEach((on) => on(data));
    });
  }
  s.addEventListener('ping', note);
  s.onopen = note;
  s.onerror = () => {
    if (s !== source) return;
    s.close();
    source = undefined;
    fails++;
    seen(false);
    restart(Math.min(1000 * 2 ** (fails - 1), 10_000));
  };
  const watch = window.setInterval(() => {
    if (s !== source) clearInterval(watch);
    else if (Date.now() - heard > 30_000) {
      clearInterval(watch);
      s.onerror?.(new Event('silent'));
    }
  }, 5000);
}

function note() {
  heard = Date.now();
  fails = 0;
  seen(true);
}
