import { list, type Change, type Overview, type Series, type ServiceOverview } from '../api';
import { Badge, Dot, Panel, Sparkline, Table, format, type Column } from '../ui';
import { moments } from './changes';
import { gone, last, lately } from './figures';

const clear = 0.01; // the share of failures from which a figure is drawn red

function state(s: ServiceOverview, o: Overview): { tone: 'good' | 'warn' | 'bad' | 'plain'; label: string } {
  if (gone(s, o)) return { tone: 'bad', label: 'no instance is left in the registry' };
  if (s.instances === 0) return last(s.rate) === null ? { tone: 'plain', label: 'not registered; its telemetry has stopped' } : { tone: 'good', label: 'not registered; its telemetry comes in' };
  if (s.ready === 0) return { tone: 'bad', label: 'no instance is ready' };
  return s.ready < s.instances ? { tone: 'warn', label: 'not all instances are ready' } : { tone: 'good', label: 'all instances are ready' };
}

// ServiceTable has a service in a row: whether it is there, how much it does, how much of
// it fails, how long it takes. Marks in the lines are what was changed in that service.
export function ServiceTable({ title, o, rows, changes, keys }: { title: string; o: Overview; rows: ServiceOverview[]; changes: Change[]; keys?: boolean }) {
  const ticks = (name: string) => moments(changes.filter((c) => c.service === name && c.time >= o.from && c.time <= o.until)).map((m) => ({ at: (m.time - o.from) / (o.until - o.from), title: `${format.clock(m.time)} ${m.changes.map((c) => c.detail).join(', ')}` }));
  const line = (s: ServiceOverview, what: string, values: Series | null, text: string, extra: { tone?: 'bad' | 'plain' | 'accent'; max?: number; second?: Series } = {}) => (
    <span class="spark-cell"><span class="spark-box"><Sparkline values={list(values)} label={`${what} of ${s.name} over the window`} height={24} ticks={ticks(s.name)} {...extra} /></span><span class="num spark-value">{text}</span></span>
  );
  const columns: Column<ServiceOverview>[] = [
    { key: 'name', head: 'Service', sort: (s) => s.name, width: '19%', cell: (s) => <span class="line"><Dot {...state(s, o)} /><span class="strong cut">{s.name}</span></span> },
    { key: 'ready', head: 'Ready', num: true, width: '92px', from: 480, sort: (s) => (s.instances ? s.ready / s.instances : 2), cell: (s) => (s.instances ? <span class={s.ready < s.instances ? (s.ready ? 'warn strong' : 'bad strong') : ''}>{s.ready} / {s.instances}</span> : gone(s, o) ? <span class="bad strong" title="No instance is left in the registry">none</span> : <span class="muted" title="It has no lease in the registry: it is heard of by its telemetry">–</span>) },
    { key: 'version', head: 'Version', width: '116px', from: 960, sort: (s) => list(s.versions).join(), cell: (s) => <span class="line"><span class="mono muted">{list(s.versions)[0] ?? '–'}</span>{list(s.versions).length > 1 && <Badge tone="accent" title={list(s.versions).join(', ')}>+{list(s.versions).length - 1}</Badge>}</span> },
    { key: 'rate', head: 'Rate', num: true, sort: (s) => last(s.rate) ?? -1, cell: (s) => line(s, 'Rate', s.rate, format.rate(last(s.rate))) },
    { key: 'errors', head: 'Failed', num: true, from: 480, sort: (s) => lately(s.errors, s.rate, o.step) ?? -1, cell: (s) => { const known = lately(s.errors, s.rate, o.step), e = known ?? 0; return <span class={e >= clear ? 'bad' : e > 0 ? '' : 'faint'}>{line(s, 'Failures', s.errors, format.share(known), { tone: e >= clear ? 'bad' : 'plain', max: 0.02 })}</span>; } },
    { key: 'p50', head: 'p50', num: true, width: '84px', from: 800, sort: (s) => last(s.p50) ?? -1, cell: (s) => <span class="muted">{format.duration(last(s.p50))}</span> },
    { key: 'p99', head: 'p99', num: true, sort: (s) => last(s.p99) ?? -1, cell: (s) => line(s, 'Latency, p99,', s.p99, format.duration(last(s.p99)), { second: list(s.p50) }) },
  ];
  return <Panel title={title} sub={format.count(rows.length)} flush><Table label={title} columns={columns} rows={rows} rowKey={(s) => s.name} href={(s) => `/traces?service=${encodeURIComponent(s.name)}`} keys={keys ?? false} height={40} /></Panel>;
}
