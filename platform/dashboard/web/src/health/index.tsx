import { list, useQuery, type ExportHealth, type Health, type SignalHealth, type Usage } from '../api';
import { Badge, Empty, Loaded, Notice, Page, Panel, Service, Stat, Stats, Table, format, type Column } from '../ui';
import './health.css';

const names: Record<string, string> = { spans: 'Spans', logs: 'Log records', points: 'Metric points' };
const total = (m: Record<string, number> | null | undefined) => Object.values(m ?? {}).reduce((a, b) => a + b, 0);

// HealthPage accounts for what came in: received = stored + dropped, exactly.
export function HealthPage() {
  const q = useQuery<Health>('/v1/telemetry/health', { live: 'health', every: 10_000, keep: true });
  return (
    <Page title="Telemetry health" sub={q.data ? `since ${format.moment(q.data.since, q.data.since + 1e9)}` : ''}>
      <Loaded query={q} what="Telemetry health">{(h) => <Whole h={h} />}</Loaded>
    </Page>
  );
}

function Whole({ h }: { h: Health }) {
  const signals = ['spans', 'logs', 'points', ...Object.keys(h.signals ?? {})].filter((s, i, all) => h.signals?.[s] && all.indexOf(s) === i);
  return (
    <>
      {list(h.notes).map((n) => <Notice key={n} kind="warn">{n}</Notice>)}
      {signals.length === 0 && <section class="panel"><Empty icon="health" title="Nothing has come in yet">Programs send OTLP to this address: <code>OTEL_EXPORTER_OTLP_ENDPOINT={location.origin}</code></Empty></section>}
      <div class="signals">{signals.map((s) => <Account key={s} name={names[s] ?? s} s={h.signals![s]} sub={s === 'points' ? `${format.whole(h.series)} active series` : ''} />)}</div>
      <Services h={h} />
      {h.export && <Export e={h.export} />}
    </>
  );
}

function Account({ name, s, sub }: { name: string; s: SignalHealth; sub: string }) {
  const dropped = total(s.dropped);
  const reasons = Object.entries(s.dropped ?? {}).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  return (
    <Panel title={name} sub={sub}>
      <Stats>
        <Stat label="Received" value={format.whole(s.received)} />
        <Stat label="Stored" value={format.whole(s.stored)} />
        <Stat label="Dropped" value={format.whole(dropped)} tone={dropped ? 'warn' : 'plain'} sub={dropped ? format.share(dropped / s.received) : ''} />
      </Stats>
      <div class="account" role="img" aria-label={`${format.share(s.received ? s.stored / s.received : 1)} stored`}><span style={{ width: `${s.received ? Math.min(100, (s.stored / s.received) * 100) : 100}%` }} /></div>
      {reasons.length ? <ul class="reasons">{reasons.map(([why, n]) => <li key={why} class="spread"><span class="muted">{why}</span><span class="num">{format.whole(n)}</span></li>)}</ul> : <p class="muted reasons">Nothing was dropped.</p>}
      {s.received !== s.stored + dropped && <Notice kind="bad">{format.whole(Math.abs(s.received - s.stored - dropped))} are not accounted for: this is a mistake in Muster.</Notice>}
    </Panel>
  );
}

interface Row { name: string; received: number; dropped: [string, number][]; usage?: Usage }

function Services({ h }: { h: Health }) {
  const usage = new Map(list(h.usage).map((u) => [u.service, u]));
  const rows: Row[] = [...new Set([...Object.keys(h.services ?? {}), ...usage.keys()])].sort().map((name) => ({
    name, received: total(h.services?.[name]?.received), usage: usage.get(name),
    dropped: Object.entries(h.services?.[name]?.dropped ?? {}).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a),
  }));
  const lost = (r: Row) => r.dropped.reduce((a, [, n]) => a + n, 0);
  const columns: Column<Row>[] = [
    { key: 'name', head: 'Service', sort: (r) => r.name, width: '16%', cell: (r) => <Service name={r.name} strong /> },
    { key: 'received', head: 'Received', num: true, width: '104px', sort: (r) => r.received, cell: (r) => format.whole(r.received) },
    { key: 'dropped', head: 'Dropped', sort: lost, cell: (r) => (r.dropped.length ? <span class="line">{r.dropped.map(([why, n]) => <Badge key={why} tone="warn" title={`${why}: ${format.whole(n)}`}>{format.count(n)} {why}</Badge>)}</span> : <span class="faint">none</span>) },
    { key: 'spans', head: 'Spans kept', num: true, width: '110px', from: 640, sort: (r) => r.usage?.spans ?? 0, cell: (r) => (r.usage ? format.whole(r.usage.spans) : '–') },
    { key: 'logs', head: 'Logs kept', num: true, width: '110px', from: 800, sort: (r) => r.usage?.logs ?? 0, cell: (r) => (r.usage ? format.whole(r.usage.logs) : '–') },
    { key: 'bytes', head: 'On disk', num: true, width: '110px', from: 480, sort: (r) => r.usage?.bytes ?? 0, cell: (r) => format.bytes(r.usage?.bytes) },
    { key: 'oldest', head: 'Oldest', num: true, width: '130px', from: 960, sort: (r) => r.usage?.oldest ?? '', cell: (r) => <span class="muted">{r.usage?.oldest && !r.usage.oldest.startsWith('0001') ? format.moment(Date.parse(r.usage.oldest), 0).replace(/:\d\d$/, '') : '–'}</span> },
    { key: 'removed', head: 'Removed by retention', num: true, width: '180px', from: 1200, sort: (r) => (r.usage?.removedSpans ?? 0) + (r.usage?.removedLogs ?? 0), cell: (r) => <span class="muted">{format.whole((r.usage?.removedSpans ?? 0) + (r.usage?.removedLogs ?? 0))}</span> },
  ];
  if (rows.length === 0) return null;
  const disk = rows.reduce((a, r) => a + (r.usage?.bytes ?? 0), 0);
  return <Panel title="By service" sub={`${format.bytes(disk)} on disk`} flush><Table label="Telemetry by service" first="36%" columns={columns} rows={rows} rowKey={(r) => r.name} tone={(r) => (r.dropped.length ? 'warn' : undefined)} keys={false} /></Panel>;
}

function Export({ e }: { e: ExportHealth }) {
  const dropped = total(e.dropped);
  return (
    <Panel title="Copy to another backend" actions={e.error ? <Badge tone="bad">failing</Badge> : <Badge tone="good">sending</Badge>}>
      <div class="stack">
        <p class="mono muted">{e.endpoint}</p>
        {e.error && <Notice kind="bad">{e.error}</Notice>}
        <Stats>
          {Object.entries(e.sent ?? {}).sort().map(([s, n]) => <Stat key={s} label={`${names[s] ?? s} sent`} value={format.whole(n)} />)}
          <Stat label="Waiting on disk" value={format.bytes(e.waiting)} />
          <Stat label="Dropped" value={format.whole(dropped)} tone={dropped ? 'warn' : 'plain'} />
        </Stats>
      </div>
    </Panel>
  );
}
