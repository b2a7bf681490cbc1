// The records of the page: those that are there, and those that come in.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, ask, list, withQuery, type Log, type Logs } from '../api';
import { Ring } from './ring';

/** A line of the page: a record, or where some were lost. */
export interface Line extends Log { lost?: number; key: number }

export interface Ask { service: string; severity: string; q: string; trace: string; attr: string[] }

export interface Tail {
  ring: Ring<Line>;
  version: number;      // another number: the ring changed
  loading: boolean;
  error: ApiError | undefined;
  more: boolean;        // there are older ones
  older: () => Promise<number>; // loads them; returns how many
  reload: () => void;
  waiting: number;      // came in while paused
  dropped: number;      // of those, too many to wait
  broken: boolean;      // the live tail is interrupted
}

const bound = 20_000, first = 2000, hold = 5000;

export function useTail(a: Ask, range: { from: number; until: number }, live: boolean, paused: boolean): Tail {
  const ring = useMemo(() => new Ring<Line>(bound), []);
  const [version, setVersion] = useState(0);
  const [turn, again] = useState(0);
  const [s, set] = useState<{ loading: boolean; error?: ApiError; more: boolean; broken: boolean }>({ loading: true, more: false, broken: false });
  const [waiting, setWaiting] = useState({ n: 0, dropped: 0 });
  const keys = useRef(0);
  const held = useRef<Line[]>([]);
  const stopped = useRef(paused);
  stopped.current = paused;
  const draw = useCallback(() => setVersion((n) => n + 1), []);
  const lines = (logs: Log[]): Line[] => logs.map((g) => ({ ...g, key: ++keys.current }));
  const query = { service: a.service, severity: a.severity, q: a.q, trace: a.trace, attr: a.attr };
  const shape = JSON.stringify([query, range.from, range.until, live]);

  useEffect(() => {
    const stop = new AbortController();
    held.current = [];
    setWaiting({ n: 0, dropped: 0 });
    set((o) => ({ ...o, loading: true, error: undefined, broken: false }));
    const load = async (from: number, until: number | undefined, fresh: boolean) => {
      const got = await ask<Logs>(withQuery('/v1/telemetry/logs', { ...query, from: Math.floor(from), until: until && Math.ceil(until), limit: first }), { signal: stop.signal });
      if (stop.signal.aborted) return;
      const logs = list(got.logs).reverse();
      if (fresh) {
        ring.clear();
        ring.add(lines(logs));
        set({ loading: false, more: got.more, broken: false });
      } else take(unseen(ring, held.current, logs).map((g) => ({ ...g, key: ++keys.current })));
      draw();
    };
    // take puts records where they belong: into the page, or beside it while it is paused.
    const take = (more: Line[]) => {
      if (!stopped.current) {
        ring.add(more);
        draw();
        return;
      }
      held.current.push(...more);
      const over = Math.max(0, held.current.length - hold);
      if (over > 0) held.current.splice(0, over);
      setWaiting((w) => ({ n: held.current.length, dropped: w.dropped + over }));
    };
    const tail = live ? follow(withQuery('/v1/telemetry/logs/stream', query), {
      logs: (logs) => take(lines(logs)),
      lost: (n) => take([{ time: Date.now(), service: '', body: '', trace: '', span: '', attributes: {}, lost: n, key: ++keys.current }]),
      broken: (broken) => set((o) => ({ ...o, broken })),
      // What came while the line was down is asked for.
      again: () => void load(ring.size > 0 ? ring.at(ring.size - 1).time : range.from, undefined, false).catch(() => undefined),
    }) : undefined;
    load(range.from, live ? undefined : range.until, true).catch((e) => {
      if (!stop.signal.aborted) set((o) => ({ ...o, loading: false, error: e instanceof ApiError ? e : new ApiError(String(e), 0, '') }));
    });
    return () => {
      stop.abort();
      tail?.();
    };
  }, [shape, turn]);

  // Going on after a pause shows what waited.
  useEffect(() => {
    if (paused || held.current.length === 0) return;
    ring.add(held.current);
    held.current = [];
    setWaiting({ n: 0, dropped: 0 });
    draw();
  }, [paused]);

  const older = async () => {
    if (ring.size === 0) return 0;
    const got = await ask<Logs>(withQuery('/v1/telemetry/logs', { ...query, from: Math.floor(range.from), until: ring.at(0).time, limit: first }));
    const n = ring.prepend(lines(list(got.logs).reverse()));
    set((o) => ({ ...o, more: got.more && n > 0 && ring.size < bound }));
    draw();
    return n;
  };
  const reload = useCallback(() => again((n) => n + 1), []);
  return { ring, version, loading: s.loading, error: s.error, more: s.more, broken: s.broken, older, reload, waiting: waiting.n, dropped: waiting.dropped };
}

// unseen leaves out what the ring, or the records that wait, have already.
function unseen(ring: Ring<Line>, held: Line[], logs: Log[]): Log[] {
  if (logs.length === 0) return logs;
  const name = (g: Log) => g.time + '\0' + g.service + '\0' + g.span + '\0' + g.body;
  const known = new Set(held.map(name));
  for (let i = ring.from(logs[0].time); i < ring.size; i++) known.add(name(ring.at(i)));
  return logs.filter((g) => !known.has(name(g)));
}

interface Follower { logs: (l: Log[]) => void; lost: (n: number) => void; broken: (b: boolean) => void; again: () => void }

// follow listens to a stream of records and hands them on in handfuls, ten times a second
// at most: a page that draws each record by itself falls behind.
function follow(path: string, to: Follower): () => void {
  let source: EventSource | undefined, timer = 0, retry = 0, fails = 0, was = false;
  let some: Log[] = [];
  const flush = () => {
    timer = 0;
    const l = some;
    some = [];
    to.logs(l);
  };
  const connect = () => {
    const s = new EventSource(path);
    source = s;
    s.onopen = () => {
      fails = 0;
      if (was) to.again();
      was = true;
      to.broken(false);
    };
    s.addEventListener('log', (e) => {
      try {
        some.push(JSON.parse((e as MessageEvent<string>).data) as Log);
      } catch {
        return;
      }
      timer ||= window.setTimeout(flush, 100);
    });
    s.addEventListener('lost', (e) => {
      if (timer) { clearTimeout(timer); flush(); }
      to.lost(Number((e as MessageEvent<string>).data) || 1);
    });
    s.onerror = () => {
      s.close();
      to.broken(true);
      retry = window.setTimeout(connect, Math.min(10_000, 500 * 2 ** fails++));
    };
  };
  connect();
  return () => {
    source?.close();
    clearTimeout(timer);
    clearTimeout(retry);
  };
}
