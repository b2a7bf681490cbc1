import { useMemo, useState } from 'preact/hooks';
import { Button, Chart, Empty, Notice, Panel, Skeleton, Table, seriesColor, setRange, useTheme, type Column, type Range } from '../ui';
import { clock, duration, moment, whole } from '../ui/format';
import { seriesNames, stats, table, type Matrix, type Stats } from './range';
import type { Run } from './run';
import { unitOf, type Unit } from './units';

// More lines than this nobody tells apart, and drawing them takes its time.
const most = 100;

interface Row extends Stats { query: string; name: string; labels: string; color: string; values: (number | null)[]; unit: Unit; shown: boolean }

export function Graph({ runs, letters, range }: { runs: Run[]; letters: string; range: Range }) {
  const theme = useTheme();
  const [hidden, setHidden] = useState<Set<string>>(new Set());
  const [at, setAt] = useState<number | null>(null);
  const stamp = runs.map((r) => r.query + r.start + r.end + r.step + r.series.length + r.took).join();
  const d = useMemo(() => draw(runs, letters), [stamp]);
  const rows: Row[] = useMemo(() => d.lines.map((l, i) => ({ ...l, color: seriesColor(i, theme), shown: !hidden.has(l.name) })), [d, theme, hidden]);
  const total = runs.reduce((n, r) => n + r.series.length, 0);
  // What is measured in different units has no scale in common: each unit has its chart.
  const charts = useMemo(() => [...new Set(rows.map((r) => r.unit.name))].map((name) => rows.filter((r) => r.unit.name === name)), [rows]);

  const toggle = (name: string, alone: boolean) => setHidden((old) => {
    const all = rows.map((r) => r.name);
    if (alone) return old.size === all.length - 1 && !old.has(name) ? new Set() : new Set(all.filter((n) => n !== name));
    const s = new Set(old);
    if (!s.delete(name)) s.add(name);
    return s;
  });
  const show = (r: Row, v: number | null) => (v === null ? '–' : r.unit.format(v));
  const columns: Column<Row>[] = [
    {
      key: 'name', head: 'Series', sort: (r) => r.name, cell: (r) => (
        <button type="button" class={'series' + (r.shown ? '' : ' off')} aria-pressed={r.shown} onClick={(e) => toggle(r.name, e.shiftKey || e.altKey)} title={r.labels + "\nHide or show; with Shift alone"}>
          <i style={{ background: r.color }} /><span class="cut mono">{r.name}</span>
        </button>
      ),
    },
    { key: 'at', head: at !== null && d.times[at] ? clock(d.times[at]) : 'Last', width: '112px', num: true, sort: (r) => r.last ?? -Infinity, cell: (r) => show(r, at !== null ? r.values[at] ?? null : r.last) },
    { key: 'min', head: 'Min', width: '96px', num: true, from: 800, sort: (r) => r.min ?? -Infinity, cell: (r) => show(r, r.min) },
    { key: 'mean', head: 'Mean', width: '96px', num: true, from: 640, sort: (r) => r.mean ?? -Infinity, cell: (r) => show(r, r.mean) },
    { key: 'max', head: 'Max', width: '96px', num: true, from: 480, sort: (r) => r.max ?? -Infinity, cell: (r) => show(r, r.max) },
  ];

  const loading = runs.some((r) => r.loading), failed = runs.every((r) => r.error);
  if (rows.length === 0) {
    if (loading) return <Panel><Skeleton rows={8} height={40} /></Panel>;
    if (failed) return null; // each query says what is wrong with it
    return <Panel><Empty title="No series" icon="metrics">The query is right, but nothing has this name and these labels in this time.</Empty></Panel>;
  }
  const warnings = [...new Set(runs.flatMap((r) => r.warnings))];
  return (
    <>
      {warnings.map((w) => <Notice key={w} kind="warn">{w}</Notice>)}
      <Panel>
        {charts.map((of) => (
          <figure key={of[0].unit.name} class="graph">
            {charts.length > 1 && <figcaption class="graph-unit">{of[0].unit.name || 'number'}<span class="faint mono">{[...new Set(of.map((r) => r.query))].join(' ')}</span></figcaption>}
            <Chart label={`${of.length} series${of[0].unit.name && `, ${of[0].unit.name},`} over time; the table below has their values`} times={d.times} lines={of} hidden={hidden} height={(innerWidth < 700 ? 240 : 340) - (charts.length > 1 ? 100 : 0)}
              from={d.from} until={d.until} format={of[0].unit.format} binary={of[0].unit.binary} area={of.length === 1} onCursor={setAt}
              sync={charts.length > 1 ? 'metrics' : undefined} gutter={charts.length > 1 ? 68 : undefined}
              onRange={(from, until) => setRange({ from, until })} />
          </figure>
        ))}
        <div class="graph-foot num faint">
          <span>{moment(d.from, d.until)} – {clock(d.until)} · a value every {duration(d.step * 1000)}{charts.length === 1 && charts[0][0].unit.name ? ' · ' + charts[0][0].unit.name : ''}</span>
          {!range.last && <Button small onClick={() => history.back()}>Back</Button>}
          <span class="graph-hint">Drag to zoom</span>
        </div>
      </Panel>
      <Panel flush title="Series" sub={total > rows.length ? `the first ${most} of ${whole(total)}: topk(…) chooses` : whole(rows.length)}>
        <Table label="Series" columns={columns} rows={rows} rowKey={(r) => r.name} keys={false} height={32} />
      </Panel>
    </>
  );
}

function labelsOf(m: Matrix): string {
  return Object.entries(m.metric).map(([k, v]) => (k === '__name__' ? v : k + '=' + v)).join('  ');
}

// draw puts the answers of all queries on one axis of time: they share step and ends,
// unless one is older, which then is drawn when it is there.
function draw(runs: Run[], letters: string) {
  const newest = runs.reduce<Run | undefined>((n, r) => (r.series.length > 0 && (!n || r.end > n.end) ? r : n), undefined);
  if (!newest) return { times: [] as number[], lines: [], from: 0, until: 0, step: 1 };
  const { start, end, step } = newest;
  let times: number[] = [];
  const lines: (Stats & { query: string; name: string; labels: string; values: (number | null)[]; unit: Unit })[] = [];
  runs.forEach((r, k) => {
    const some = r.series.slice(0, most - lines.length);
    if (some.length === 0) return;
    const [t, ...columns] = table(some, start, end, step);
    times = (t as number[]).map((s) => s * 1000);
    const names = seriesNames(some);
    const unit = unitOf(r.query);
    columns.forEach((values, i) => {
      const name = (runs.length > 1 ? letters[k] + ' ' : '') + names[i];
      lines.push({ query: letters[k], labels: labelsOf(some[i]), name: lines.some((l) => l.name === name) ? name + ' #' + i : name, values, unit, ...stats(values) });
    });
  });
  return { times, lines, from: start * 1000, until: end * 1000, step };
}
