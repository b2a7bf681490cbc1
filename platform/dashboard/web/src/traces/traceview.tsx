// A trace that was loaded: figures, why, minimap, find, waterfall and the span looked at.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { list, type Log, type Trace } from '../api';
import { useKeys } from '../app/keys';
import { go, setParams, useRoute } from '../app/router';
import { Badge, Button, Notice, Service, Stat, Stats, Toggle } from '../ui';
import { duration, whole as digits } from '../ui/format';
import { listAddress } from './back';
import { Detail } from './detail';
import { FindBar } from './findbar';
import { useFill } from './fill';
import { Finder, next } from './find';
import { foldFrom, isCritical, layOut, reveal, rows as rowsOf } from './layout';
import { Minimap } from './minimap';
import { pan, show, zoom, type View } from './view';
import { Waterfall } from './waterfall';
import { WhyPart } from './why';

const none: readonly Log[] = [];

export function TraceView({ trace, logs }: { trace: Trace; logs: ReadonlyMap<string, readonly Log[]> }) {
  const route = useRoute();
  const spans = useMemo(() => list(trace.tree), [trace.tree]);
  const layout = useMemo(() => layOut(spans, list(trace.critical)), [spans, trace.critical]);
  const whole = useMemo<View>(() => ({ from: 0, until: Math.max(layout.until - layout.from, 1e-3) }), [layout]);
  const finder = useMemo(() => new Finder(spans, (i) => isCritical(layout, i)), [spans, layout]);

  const [view, onView] = useState<View>(whole);
  const [folds, setFolds] = useState(() => ({ folded: new Uint8Array(layout.size) }));
  const [critical, setCritical] = useState(true);
  const [only, setOnly] = useState(false);
  const opened = layout.index.get(route.get('span')) ?? -1;
  const [active, setActive] = useState(opened >= 0 ? opened : 0);
  const query = route.get('find');
  const found = useMemo(() => (query.trim() ? finder.find(query) : undefined), [finder, query]);
  const marks = useMemo(() => {
    if (!found) return undefined;
    const m = new Uint8Array(layout.size);
    for (const i of found) m[i] = 1;
    return m;
  }, [found, layout]);
  const rows = useMemo(() => rowsOf(layout, folds.folded, only ? marks : undefined), [layout, folds, only, marks]);

  useEffect(() => onView(whole), [whole]);
  useEffect(() => setFolds((f) => (f.folded.length === layout.size ? f : { folded: new Uint8Array(layout.size) })), [layout]);

  const input = useRef<HTMLInputElement>(null);
  const body = useRef<HTMLDivElement>(null);
  useFill(body, 320);
  const grid = () => body.current?.querySelector<HTMLElement>('.wf')?.focus({ preventScroll: true });

  const open = useCallback((i: number) => setParams({ span: i >= 0 ? spans[i].id : null }, true), [spans]);
  const close = () => { at.current.isOpen = false; open(-1); grid(); };
  const isOpen = opened >= 0;
  // Keys may come faster than the page draws: they go by what is true now.
  const at = useRef({ active, isOpen });
  at.current = { active, isOpen };
  const onActive = useCallback((i: number, show: boolean) => {
    at.current.active = i;
    setActive(i);
    if (show || at.current.isOpen) {
      at.current.isOpen = true;
      open(i);
    }
  }, [open]);
  const onFold = useCallback((i: number, all: boolean) => setFolds(({ folded }) => {
    const to = folded[i] ? 0 : 1;
    folded[i] = to;
    if (all) for (let k = i; k < layout.last[i]; k++) folded[k] = to && layout.last[k] > k + 1 ? 1 : 0;
    return { folded };
  }), [layout]);

  const visit = (i: number) => {
    if (i < 0) return;
    if (reveal(layout, folds.folded, i)) setFolds({ folded: folds.folded });
    onView((v) => show(v, whole, layout.start[i], layout.end[i]));
    onActive(i, false);
  };
  const toSpan = (id: string) => {
    const i = layout.index.get(id);
    if (i === undefined) return;
    visit(i);
    open(i);
  };
  const onNext = (backwards: boolean) => { if (found) visit(next(found, at.current.active, backwards)); };
  const nextError = () => {
    const failed: number[] = [];
    spans.forEach((s, i) => { if (s.error) failed.push(i); });
    visit(next(Int32Array.from(failed), at.current.active));
  };
  const search = (q: string) => {
    setParams({ find: q || null }, true);
    if (!q) setOnly(false);
    else {
      const hits = finder.find(q);
      const { active: here } = at.current;
      if (hits.length > 0 && !hits.includes(here)) visit(next(hits, here - 1));
    }
  };
  const step = (by: number) => {
    const row = rows.indexOf(at.current.active);
    if (rows.length > 0) onActive(rows[Math.max(0, Math.min(rows.length - 1, row + by))], false);
    grid();
  };

  const fold = (depth: number) => {
    foldFrom(layout, folds.folded, depth);
    setFolds({ folded: folds.folded });
  };
  const latest = useRef({ step, onNext, nextError, search, close, fold, query });
  latest.current = { step, onNext, nextError, search, close, fold, query };
  useKeys({
    j: () => latest.current.step(1), k: () => latest.current.step(-1),
    n: () => latest.current.onNext(false), N: () => latest.current.onNext(true),
    e: () => latest.current.nextError(), c: () => setCritical((c) => !c),
    Enter: () => onActive(at.current.active, true),
    Escape: () => {
      const { query: q } = latest.current;
      if (at.current.isOpen) latest.current.close(); else if (q) latest.current.search(''); else go(listAddress());
    },
    '+': () => onView((v) => zoom(v, whole, 0.6)), '=': () => onView((v) => zoom(v, whole, 0.6)), '-': () => onView((v) => zoom(v, whole, 1 / 0.6)),
    '0': () => onView(whole), ',': () => onView((v) => pan(v, whole, -0.25)), '.': () => onView((v) => pan(v, whole, 0.25)),
    '[': () => latest.current.fold(1), ']': () => latest.current.fold(Infinity),
  }, [whole, onActive]);

  // The browser's find would see a screen of rows only.
  useEffect(() => {
    const find = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key === 'f' && document.activeElement !== input.current) {
        e.preventDefault();
        input.current?.focus();
        input.current?.select();
      }
    };
    addEventListener('keydown', find);
    return () => removeEventListener('keydown', find);
  }, []);
  useEffect(grid, []);

  const place = found ? found.indexOf(active) : -1;
  return (
    <>
      <div class="trace-facts">
        <Stats>
          <Stat label="Duration" value={duration(trace.duration)} sub={trace.total > trace.duration * 1.01 ? duration(trace.total) + ' in all' : undefined} />
          <Stat label="Spans" value={digits(trace.spans)} />
          <Stat label="Errors" value={digits(trace.errors)} tone={trace.errors > 0 ? 'bad' : undefined} />
        </Stats>
        <ul class="trace-services" aria-label="Services">
          {list(trace.services).map((s) => (
            <li key={s.name}>
              <button type="button" onClick={() => search('service:' + s.name)} title={'Find the spans of ' + s.name}>
                <Service name={s.name} /> <span class="num faint">{digits(s.spans)}</span>{s.errors > 0 && <Badge tone="bad">{digits(s.errors)}</Badge>}
              </button>
            </li>
          ))}
        </ul>
      </div>
      <WhyPart id={trace.trace} onSpan={toSpan} />
      {trace.rootless && <Notice>The trace’s first span is not here: it may still be running, was not kept, or its process sends no telemetry.</Notice>}
      {trace.skewed && <Notice>Clocks of processes differ: spans were moved into those that called them.</Notice>}
      <div class="trace-tools">
        <FindBar query={query} count={found?.length ?? 0} place={place} only={only} input={input} onQuery={search} onNext={onNext} onOnly={setOnly} onLeave={grid} />
        <div class="trace-buttons">
          <Toggle label="Critical path" on={critical} onChange={setCritical} />
          {trace.errors > 0 && <Button onClick={nextError} title="Next failed span (e)">Next error</Button>}
          <Button onClick={() => fold(1)} title="Fold all ([)">Fold</Button>
          <Button onClick={() => fold(Infinity)} title="Open all (])">Unfold</Button>
        </div>
      </div>
      <div class={'trace-body panel' + (isOpen ? ' with-detail' : '')} ref={body}>
        <div class="trace-main">
          <Minimap spans={spans} layout={layout} view={view} whole={whole} found={found} onView={onView} />
          <Waterfall spans={spans} layout={layout} rows={rows} folded={folds.folded} view={view} whole={whole} critical={critical}
            active={active} found={marks} logs={logs} onView={onView} onActive={onActive} onFold={onFold} />
        </div>
        {isOpen && spans[opened] && <Detail key={spans[opened].id} span={spans[opened]} i={opened} layout={layout} trace={trace.trace} logs={logs.get(spans[opened].id) ?? none}
          onClose={close} onFind={search} onSpan={toSpan} />}
      </div>
    </>
  );
}
