import { list, now, useQuery, withQuery, type Saga, type Sagas } from '../api';
import { setParams, useRoute } from '../app/router';
import { Badge, Button, Empty, Field, Loaded, Notice, Page, Panel, Segmented, Service, Table, Toolbar, format, type Column } from '../ui';
import { ended, hrefOf, place, states, toneOf } from './state';
import './sagas.css';

export { SagaPage } from './detail';

const columns: Column<Saga>[] = [
  { key: 'id', head: 'Saga', sort: (s) => s.id, width: '29%', cell: (s) => <><span class="muted">{s.name}/</span><span class="mono strong">{s.id}</span></> },
  { key: 'state', head: 'State', sort: (s) => states.findIndex((x) => x.value === s.state), width: '132px', cell: (s) => <Badge tone={toneOf(s.state)}>{s.state}</Badge> },
  { key: 'service', head: 'Service', sort: (s) => s.service, width: '128px', from: 640, cell: (s) => <Service name={s.service} /> },
  { key: 'step', head: 'At step', sort: place, width: '116px', from: 800, cell: (s) => (ended(s) ? <span class="faint">–</span> : <span>{place(s)}</span>) },
  { key: 'attempts', head: 'Tries', num: true, width: '74px', from: 1200, sort: (s) => s.attempts, cell: (s) => (s.attempts ? <span class={s.attempts > 3 ? 'warn' : ''}>{s.attempts}</span> : <span class="faint">–</span>) },
  { key: 'why', head: 'Why', from: 640, cell: (s) => <span class={s.error ? 'bad' : 'muted'} title={s.error || s.reason}>{s.error || s.reason}</span> },
  { key: 'age', head: 'Took', num: true, width: '100px', from: 1200, sort: (s) => Date.parse(s.updated) - Date.parse(s.created), cell: (s) => <span class="muted">{format.duration((ended(s) ? Date.parse(s.updated) : now()) - Date.parse(s.created))}</span> },
  { key: 'updated', head: 'Changed', num: true, width: '110px', sort: (s) => Date.parse(s.updated), cell: (s) => <span class="muted" title={s.updated}>{format.ago(Date.parse(s.updated), now())}</span> },
];

export function SagasPage() {
  const r = useRoute();
  const state = r.get('state');
  const text = r.get('q').toLowerCase();
  const service = r.get('service');
  const q = useQuery<Sagas>(withQuery('/v1/ops/sagas', { service, state }), { every: 5000, keep: true });
  // Those that stopped are looked for among all, not among the last that changed.
  const stopped = useQuery<Sagas>(withQuery('/v1/ops/sagas', { service, state: 'paused', limit: 1 }), { every: 10_000, keep: true });
  const loaded = list(q.data?.sagas);
  const whole = !!q.data && q.data.all <= loaded.length;
  const tally = (s: string) => (s === 'paused' && stopped.data ? stopped.data.all : s === state ? q.data?.all : whole && !state ? loaded.filter((x) => x.state === s).length : undefined);
  const rows = loaded.filter((s) => (!state || s.state === state) && (!text || [s.id, s.name, s.service, s.step, s.error, s.reason].some((v) => v?.toLowerCase().includes(text))));
  return (
    <Page title="Sagas" sub={q.data ? (whole ? format.whole(q.data.all) : `the last ${format.whole(loaded.length)} that changed, of ${format.whole(q.data.all)}`) : ''}>
      <Toolbar>
        <div class="scroll-x"><Segmented label="State" value={state} onChange={(s) => setParams({ state: s })} options={[{ value: '', label: 'All' }, ...states.map((s) => { const n = tally(s.value); return { value: s.value, label: <>{s.label}{!!n && <span class={`tally${s.value === 'paused' ? ' bad' : ''}`}>{format.count(n)}</span>}</> }; })]} /></div>
        <div class="grow"><Field label="Find a saga" hideLabel search icon="search" placeholder="Id, step or error" value={r.get('q')} onInput={(v) => setParams({ q: v }, true)} /></div>
      </Toolbar>
      {list(q.data?.missing).map((m) => <Notice key={m.error} kind="warn">Sagas are missing here: {m.error}</Notice>)}
      <Loaded query={q} what="The sagas">
        {() => (
          <Panel flush>
            {rows.length ? <Table label="Sagas" first="40%" columns={columns} rows={rows} rowKey={(s) => `${s.service}/${s.name}/${s.id}`} href={hrefOf} tone={(s) => (s.state === 'paused' ? 'bad' : undefined)} />
              : state || text || loaded.length ? <Empty title="No saga matches" action={<Button onClick={() => setParams({ state: null, q: null })}>Show all</Button>}>{text && loaded.length ? `Of the ${format.whole(loaded.length)} loaded here none has this text.` : 'None is in this state.'}</Empty>
                : <Empty icon="sagas" title="There are no sagas yet">A service that defines one with package saga shows each of its runs here: in the shop every placed order is one.</Empty>}
          </Panel>
        )}
      </Loaded>
    </Page>
  );
}
