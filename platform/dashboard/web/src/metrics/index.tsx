// The metrics: PromQL, a chart and a table.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import './metrics.css';
import { useQuery } from '../api';
import { setParams, useRoute } from '../app/router';
import { Button, Page, Panel, Segmented, Select, TimeRange, rangeOf } from '../ui';
import { whole } from '../ui/format';
import { Known } from './complete';
import { Editor } from './editor';
import { Explore } from './explore';
import { metadata, names } from './prometheus';
import type { Metric } from './promql';
import { Graph } from './graph';
import { useRuns } from './run';
import { Samples } from './samples';

const letters = 'ABCDEFGH';

export function MetricsPage() {
  const route = useRoute();
  const queries = route.params.getAll('q').filter((q) => q !== '').slice(0, letters.length);
  const view = route.get('view') === 'table' ? 'table' : 'graph';
  const every = route.get('refresh', '10s');
  const key = rangeOf(route, '1h').key;
  const [turn, again] = useState(0);
  const [blank, setBlank] = useState(false); // another field is open and not run yet
  const range = useMemo(() => rangeOf(route, '1h'), [key, turn]);

  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(() => setWidth(box.current?.clientWidth ?? 0));
    observer.observe(box.current!);
    setWidth(box.current!.clientWidth);
    return () => observer.disconnect();
  }, []);

  const ms = range.last && every !== 'off' ? { '5s': 5e3, '10s': 10e3, '30s': 30e3, '1m': 60e3 }[every] ?? 10e3 : 0;
  useEffect(() => {
    if (ms === 0 || queries.length === 0) return;
    const timer = setInterval(() => { if (document.visibilityState === 'visible') again((n) => n + 1); }, ms);
    return () => clearInterval(timer);
  }, [ms, queries.length]);

  const known = useQuery<Metric[]>('/api/v1/label/__name__/values', { read: readMetrics, keep: true });
  const completion = useMemo(() => new Known(known.data ?? []), [known.data]);
  const runs = useRuns(queries, range, view, width, turn);

  const put = (list: string[]) => {
    setParams({ q: list.filter((q) => q !== '') });
    setBlank(false);
  };
  const fields = blank || queries.length === 0 ? [...queries, ''] : queries;
  return (
    <Page title="Metrics" wide actions={<>
      <Segmented label="Show as" value={view} onChange={(v) => setParams({ view: v === 'table' ? v : null })} options={[{ value: 'graph', label: 'Graph' }, { value: 'table', label: 'Table' }]} />
      {range.last && <Select label="Refresh" hideLabel value={every} onChange={(v) => setParams({ refresh: v === '10s' ? null : v }, true)}
        options={[{ value: 'off', label: 'No refresh' }, ...['5s', '10s', '30s', '1m'].map((v) => ({ value: v, label: 'Every ' + v }))]} />}
      <Button kind="quiet" icon="refresh" label="Run again" onClick={() => again((n) => n + 1)} />
      <TimeRange range={range} />
    </>}>
      <div class="queries" ref={box}>
        {fields.map((q, i) => (
          <div class="query" key={i}>
            <span class="query-letter" aria-hidden="true">{letters[i]}</span>
            <Editor value={q} label={'Query ' + letters[i]} known={completion} error={runs[i]?.error?.message} search={i === 0}
              onRun={(text) => {
                // The same query run again asks again.
                if (text === q) again((n) => n + 1);
                else put(fields.map((o, k) => (k === i ? text : o)));
              }} />
            {runs[i] && !runs[i].error && q !== '' && <span class="query-took num faint">{runs[i].loading ? '…' : whole(view === 'graph' ? runs[i].series.length : runs[i].samples.length) + ' series · ' + Math.round(runs[i].took) + ' ms'}</span>}
            {(queries.length > 0 || i > 0) && <Button kind="quiet" icon="close" label={'Remove query ' + letters[i]} onClick={() => put(fields.filter((_, k) => k !== i))} />}
          </div>
        ))}
        {queries.length > 0 && fields.length < letters.length && !blank && <Button small kind="quiet" icon="plus" onClick={() => setBlank(true)}>Add a query</Button>}
      </div>
      {queries.length === 0
        ? <Explore known={known} onQuery={(q) => put([q])} />
        : view === 'graph' ? <Graph runs={runs} letters={letters} range={range} />
          : <Panel flush title="Values now"><Samples runs={runs} letters={letters} /></Panel>}
    </Page>
  );
}

// readMetrics joins names and what is told about them; names alone do, too.
async function readMetrics(path: string): Promise<Metric[]> {
  const [list, about] = await Promise.all([names(path), metadata().catch(() => ({} as Awaited<ReturnType<typeof metadata>>))]);
  return list.map((name) => {
    const m = about[name]?.[0] ?? about[name.replace(/_(bucket|sum|count)$/, '')]?.[0];
    return { name, type: m?.type, help: m?.help };
  });
}
