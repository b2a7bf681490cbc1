// The traces: when and how long they were, and those looked for.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { list, now, subscribe, useQuery, type Points, type Traces } from '../api';
import { setParams, useRoute } from '../app/router';
import { useServices } from '../app/services';
import { Button, Empty, ErrorState, Loaded, Notice, Page, Panel, Segmented, Skeleton, TimeRange, Toggle, rangeOf, setRange } from '../ui';
import { whole } from '../ui/format';
import { remember } from './back';
import { filterOf, ofTraces, pathOf, type Filter } from './filter';
import { Filters } from './filters';
import { writeBox } from './heat';
import { HeatMap } from './heatmap';
import { TraceList } from './list';

const page = 100, most = 1000;
const pace = 4000; // ms between two turns of a list that is read
const soon = 500; // before it is looked again whether the very first trace has come

export function TracesPage() {
  const route = useRoute();
  remember(location.search);
  const f = filterOf(route);
  const key = rangeOf(route).key;
  const live = route.get('live') !== 'off';
  const [turn, again] = useState(0);
  const [limit, setLimit] = useState(page);
  // "The last 15 minutes" are asked for anew on each turn, not on each drawing.
  const range = useMemo(() => rangeOf(route), [key, turn]);
  const following = live && !!range.last && !f.box;

  // The list follows what comes in, at once and then at most every 4 s, while its reader
  // is at its head.
  useEffect(() => {
    if (!following) return;
    let last = -pace, timer = 0;
    const stop = subscribe('traces', () => {
      if (timer) return;
      timer = window.setTimeout(() => {
        timer = 0;
        last = performance.now();
        if (document.visibilityState === 'visible' && scrollY < 240) again((n) => n + 1);
      }, Math.max(0, pace - (performance.now() - last)));
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [following]);

  const services = useServices();
  const points = useQuery<Points>(pathOf('points', f, range.from, range.until, 5000), { keep: true });
  const slowest = route.get('sort') === 'slowest';
  const traces = useQuery<Traces>(pathOf('traces', f, range.from, range.until, limit, slowest), { keep: true });
  const shape = JSON.stringify([f, key, slowest]);
  useEffect(() => setLimit(page), [shape]);

  const dots = useMemo(() => list(points.data?.points), [points.data]);
  const rows = list(traces.data?.traces);
  const filtered = !!(f.service || f.operation || f.min || f.max || f.error || f.attributes.length || f.box);

  // Who has nothing yet waits for it: the stream tells of traces when they are whole, a
  // second and more later.
  const waiting = following && !filtered && !!traces.data && rows.length === 0 && !traces.loading && !traces.error;
  useEffect(() => {
    if (!waiting) return;
    const timer = setInterval(() => { if (document.visibilityState === 'visible') again((n) => n + 1); }, soon);
    return () => clearInterval(timer);
  }, [waiting]);
  const clear = () => setParams({ service: null, operation: null, min: null, max: null, error: null, attr: null, box: null });

  return (
    <Page title="Traces" actions={<>
      {range.last && <Toggle label="Live" on={live} onChange={(on) => setParams({ live: on ? null : 'off' }, true)} />}
      <Button kind="quiet" icon="refresh" label="Load again" onClick={() => again((n) => n + 1)} />
      <TimeRange range={range} />
    </>}>
      <Filters filter={f} services={list(services)} onClear={filtered ? clear : undefined} />
      <Panel title="Latency" sub={note(points.data, dots.length, f)}>
        {points.error && !points.data ? <ErrorState error={points.error} what="The heat map" retry={points.reload} />
          : !points.data ? <Skeleton rows={1} height={188} />
            : <HeatMap points={dots} more={points.data.more} from={range.from} until={range.until} box={f.box}
                onBox={(b) => setParams({ box: b ? writeBox(b) : null })}
                onZoom={(b) => { setRange({ from: b.from, until: b.until }); setParams({ box: null }, true); }} />}
      </Panel>
      <Panel flush title={f.box ? 'Traces in the selection' : 'Traces'} sub={traces.data && !traces.stale ? count(traces.data, slowest) : undefined}
        actions={<>
          {f.box && <Button small icon="close" onClick={() => setParams({ box: null })}>Clear selection</Button>}
          <Segmented label="Order" value={slowest ? 'slowest' : ''} onChange={(v) => setParams({ sort: v || null })} options={[{ value: '', label: 'Newest' }, { value: 'slowest', label: 'Slowest' }]} />
        </>}>
        {slowest && traces.data?.cut && <Notice>There are too many to look at all: one that is older may be slower than these.</Notice>}
        {traces.loading && traces.data && f.box && <span class="only-read" role="status">Loading</span>}
        <Loaded query={traces} what="The traces" rows={10}>
          {() => rows.length > 0 ? <TraceList traces={rows} now={now()} bySpan={slowest && !ofTraces(f)} /> : (
            <Empty title={filtered ? 'No trace is like this' : 'No traces yet'} icon="traces" action={filtered ? <Button onClick={clear}>Clear filters</Button> : undefined}>
              {filtered ? 'Nothing in this time fits all filters. Take one away, or choose a longer time.'
                : 'Send a request through the edge, or point any program’s OTLP exporter at this address: its traces appear here within a second.'}
            </Empty>
          )}
        </Loaded>
        {traces.data?.more && rows.length > 0 && (
          <div class="traces-more">
            {limit < most ? <Button onClick={() => setLimit(Math.min(most, limit * 4))} disabled={traces.loading}>Show more</Button>
              : <Notice>These are the {slowest ? 'slowest' : 'newest'} {whole(rows.length)}: narrow the time or the filters to see others.</Notice>}
          </div>
        )}
      </Panel>
    </Page>
  );
}

function count(t: Traces, slowest: boolean): string {
  const n = list(t.traces).length;
  return (t.more ? slowest ? 'the slowest ' : 'the newest ' : '') + whole(n);
}

function note(p: Points | undefined, n: number, f: Filter): string | undefined {
  if (!p) return undefined;
  const what = f.service || f.operation || f.attributes.length || f.error ? 'span' : 'trace';
  return (p.more ? 'the newest ' : '') + whole(n) + ' ' + what + (n === 1 ? '' : 's');
}

