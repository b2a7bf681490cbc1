import { list, type Caller, type Calls, type RouteCalls } from '../api';
import { Badge, Empty, Notice, Panel, Service, Table, format, type Column } from '../ui';

// Row is what one service's instances together know of their calls by one route.
interface Row { from: string; to: string; route: string; calls: number; failed: number; attempts: number; retried: number; denied: number; shed: number; out: Set<string>; breakers: Set<string>; fell: number }

const tried = (r: RouteCalls) => Object.values(r.attempts).reduce((a, n) => a + n, 0);

function rowsOf(callers: Caller[]): Row[] {
  const rows = new Map<string, Row>();
  for (const c of callers) {
    for (const to of list(c.calls)) {
      const out = list(to.instances).filter((i) => i.suspect || (i.ejected_until && i.ejected_until > c.at)).map((i) => i.id);
      for (const r of list(to.routes)) {
        if (r.calls === 0) continue;
        const key = `${c.service} ${to.service} ${r.route}`;
        const row = rows.get(key) ?? { from: c.service, to: to.service, route: r.route, calls: 0, failed: 0, attempts: 0, retried: 0, denied: 0, shed: 0, out: new Set(), breakers: new Set(), fell: 0 };
        row.calls += r.calls;
        row.failed += r.failed;
        row.attempts += tried(r);
        row.retried += r.retries.repeat + (r.hedge?.second ?? 0);
        row.denied += r.budget.denied;
        row.shed += r.attempts.shed;
        row.fell += r.fallback ? r.fallback.last_good + r.fallback.func + r.fallback.value : 0;
        out.forEach((id) => row.out.add(id));
        if (r.breaker) row.breakers.add(r.breaker.state);
        rows.set(key, row);
      }
    }
  }
  return [...rows.values()].sort((a, b) => a.from.localeCompare(b.from) || a.to.localeCompare(b.to) || a.route.localeCompare(b.route));
}

const some = (n: number, tone = 'warn') => (n ? <span class={tone}>{format.whole(n)}</span> : <span class="faint">0</span>);

function Breaker({ states }: { states: Set<string> }) {
  if (states.has('open')) return <Badge tone="bad">open</Badge>;
  if (states.has('half-open')) return <Badge tone="warn">half-open</Badge>;
  return states.size ? <span class="muted">closed</span> : <span class="faint">–</span>;
}

const columns: Column<Row>[] = [
  { key: 'from', head: 'Caller', sort: (r) => r.from, width: '15%', cell: (r) => <Service name={r.from} strong /> },
  { key: 'to', head: 'Calls', sort: (r) => r.to, width: '15%', cell: (r) => <Service name={r.to} /> },
  { key: 'route', head: 'Route', from: 800, sort: (r) => r.route, cell: (r) => (r.route ? <span class="mono" title={r.route}>{r.route}</span> : <span class="faint">all others</span>) },
  { key: 'calls', head: 'Count', num: true, width: '92px', sort: (r) => r.calls, cell: (r) => format.whole(r.calls) },
  { key: 'failed', head: 'Failed', num: true, width: '84px', from: 480, sort: (r) => r.failed, cell: (r) => some(r.failed, 'bad') },
  { key: 'attempts', head: 'Attempts a call', num: true, width: '128px', from: 960, sort: (r) => r.attempts / r.calls, cell: (r) => <span class={r.attempts > 1.15 * r.calls ? 'warn' : ''}>{(r.attempts / r.calls).toFixed(2)}</span> },
  { key: 'retried', head: 'Repeated', num: true, width: '100px', from: 960, sort: (r) => r.retried, cell: (r) => some(r.retried, '') },
  { key: 'denied', head: 'Over budget', num: true, width: '112px', from: 1200, sort: (r) => r.denied, cell: (r) => some(r.denied) },
  { key: 'shed', head: 'Turned away', num: true, width: '116px', from: 1200, sort: (r) => r.shed, cell: (r) => some(r.shed) },
  { key: 'fell', head: 'Fell back', num: true, width: '96px', from: 1200, sort: (r) => r.fell, cell: (r) => some(r.fell) },
  { key: 'breaker', head: 'Breaker', width: '96px', from: 640, cell: (r) => <Breaker states={r.breakers} /> },
  { key: 'out', head: 'Left out', width: '120px', from: 640, cell: (r) => (r.out.size ? <span class="warn" title={[...r.out].join(', ')}>{[...r.out].sort().join(', ')}</span> : <span class="faint">–</span>) },
];

// DoorRow is how full one instance is.
interface DoorRow { service: string; id: string; taken: number; limit: number; waiting: number; admitted: number; turned: number; detail: string }

function doorsOf(callers: Caller[]): DoorRow[] {
  return callers.flatMap((c) => {
    const d = c.admission;
    if (!d) return [];
    const shed = Object.entries(d.shed ?? {}).map(([priority, reasons]) => ({ priority, n: Object.values(reasons ?? {}).reduce((a, n) => a + n, 0) }));
    return [{
      service: c.service, id: c.instance, taken: d.in_flight, limit: d.limit, waiting: d.waiting,
      admitted: Object.values(d.admitted ?? {}).reduce((a, n) => a + n, 0), turned: shed.reduce((a, s) => a + s.n, 0),
      detail: shed.map((s) => `${format.whole(s.n)} ${s.priority}`).join(', '),
    }];
  }).sort((a, b) => a.id.localeCompare(b.id));
}

const doorColumns: Column<DoorRow>[] = [
  { key: 'service', head: 'Service', sort: (d) => d.service, width: '17%', from: 480, cell: (d) => <Service name={d.service} strong /> },
  { key: 'id', head: 'Instance', sort: (d) => d.id, cell: (d) => <span class="mono">{d.id}</span> },
  { key: 'taken', head: 'In work', num: true, width: '132px', sort: (d) => d.taken / d.limit, cell: (d) => <span class={d.taken >= d.limit ? 'warn strong' : ''}>{format.whole(d.taken)}<span class="faint"> of {format.whole(d.limit)}</span></span> },
  { key: 'waiting', head: 'Waiting', num: true, width: '92px', from: 640, sort: (d) => d.waiting, cell: (d) => some(d.waiting) },
  { key: 'admitted', head: 'Taken in', num: true, width: '108px', from: 640, sort: (d) => d.admitted, cell: (d) => format.whole(d.admitted) },
  { key: 'turned', head: 'Turned away', num: true, width: '116px', sort: (d) => d.turned, cell: (d) => <span title={d.detail}>{some(d.turned)}</span> },
];

const shown = 3; // lines; the tables have the rest

// Unusual says what is not as it should be with calls now.
export function Unusual({ callers }: { callers: Caller[] }) {
  const lines = callers.flatMap((c) => list(c.unusual).map((said) => ({ who: c.instance || c.service, said })));
  if (lines.length === 0) return null;
  return (
    <Notice kind="warn">
      {lines.slice(0, shown).map((l) => <div key={`${l.who} ${l.said}`}><strong>{l.who}</strong> {l.said}</div>)}
      {lines.length > shown && <div>{lines.length - shown} more, see below</div>}
    </Notice>
  );
}

// CallsOf shows how the calls between services stand, and how full those are that take them.
export function CallsOf({ calls, text }: { calls: Calls; text: string }) {
  const callers = list(calls.callers);
  const has = (...words: string[]) => !text || words.some((w) => w.toLowerCase().includes(text));
  const all = rowsOf(callers);
  const rows = all.filter((r) => has(r.from, r.to, r.route));
  const doors = doorsOf(callers).filter((d) => has(d.service, d.id));
  return (
    <>
      <Panel title="Calls" sub="since their callers’ start" flush>
        {rows.length ? <Table label="Calls" columns={columns} rows={rows} rowKey={(r) => `${r.from} ${r.to} ${r.route}`} keys={false} first="34%" tone={(r) => (r.breakers.has('open') ? 'bad' : r.out.size || r.breakers.has('half-open') ? 'warn' : undefined)} />
          : all.length ? <Empty title={`No call matches “${text}”`}>{all.length} others are known.</Empty>
            : <Empty title="Nobody has called">A service of the library tells how its calls stand at <code>/.muster/calls</code>.</Empty>}
      </Panel>
      {doors.length > 0 && <Panel title="Room" sub="of each instance" flush><Table label="Room" columns={doorColumns} rows={doors} rowKey={(d) => d.id} keys={false} first="40%" tone={(d) => (d.taken >= d.limit ? 'warn' : undefined)} /></Panel>}
    </>
  );
}
