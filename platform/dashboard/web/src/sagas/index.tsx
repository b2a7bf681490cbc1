import { list, now, useQuery, withQuery, type Saga, type SagaState, type Sagas } from '../api';
import { setParams, useRoute } from '../app/router';
import { Badge, Button, Empty, Field, Loaded, Notice, Page, Panel, Segmented, Service, Skeleton, Table, Toolbar, format, type Column } from '../ui';
import { HeldSteps } from './orders';
import { ended, hrefOf, place, states, toneOf } from './state';
import './sagas.css';

export { SagaPage } from './detail';

const columns: Column<Saga>[] = [
  { key: 'id', head: 'Saga', sort: (s) => s.id, width: '29%', cell: (s) => <><span class="muted from-480">{s.name}/</span><span class="mono strong">{s.id}</span></> },
  { key: 'state', head: 'State', sort: (s) => states.findIndex((x) => x.value === s.state), width: '132px', cell: (s) => <Badge tone={toneOf(s.state)}>{s.state}</Badge> },
  { key: 'service', head: 'Service', sort: (s) => s.service, width: '128px', from: 800, cell: (s) => <Service name={s.service} /> },
  { key: 'step', head: 'At step', sort: place, width: '116px', from: 800, cell: (s) => (ended(s) ? <span class="faint">–</span> : <span>{place(s)}</span>) },
  { key: 'attempts', head: 'Tries', num: true, width: '74px', from: 1200, sort: (s) => s.attempts, cell: (s) => (s.attempts ? <span class={s.attempts > 3 ? 'warn' : ''}>{s.attempts}</span> : <span class="faint">–</span>) },
  { key: 'why', head: 'Why', from: 640, cell: (s) => <span class={s.error ? 'bad' : 'muted'} title={s.error || s.reason}>{s.error || s.reason}</span> },
  { key: 'age', head: 'Took', num: true, width: '100px', from: 1200, sort: (s) => Date.parse(s.updated) - Date.parse(s.created), cell: (s) => <span class="muted">{format.duration((ended(s) ? Date.parse(s.updated) : now()) - Date.parse(s.created))}</span> },
  { key: 'updated', head: 'Changed', num: true, width: 'clamp(88px, 16cqi, 110px)', sort: (s) => Date.parse(s.updated), cell: (s) => <span class="muted" title={s.updated}>{format.ago(Date.parse(s.updated), now())}</span> },
];

export function SagasPage() {
  const r = useRoute();
  const state = r.get('state');
  const text = r.get('q').toLowerCase();
  const service = r.get('service');
  // The server filters by state and service; a text is looked for in as many as it gives.
  const q = useQuery<Sagas>(withQuery('/v1/ops/sagas', { service, state, limit: text ? 1000 : '' }), { every: 5000, keep: true });
  const loaded = list(q.data?.sagas);
  const whole = !!q.data && q.data.all <= loaded.length;
  const tally = (s: SagaState) => q.data?.counts?.[s];
  const rows = loaded.filter((s) => (!state || s.state === state) && (!text || [s.id, s.name, s.service, s.step, s.error, s.reason].some((v) => v?.toLowerCase().includes(text))));
  return (
    <Page title="Sagas" sub={q.data ? (whole ? format.whole(q.data.all) : `the last ${format.whole(loaded.length)} that changed, of ${format.whole(q.data.all)}`) : ''}>
      <Toolbar>
        <div class="scroll-x"><Segmented label="State" value={state} onChange={(s) => setParams({ state: s })} options={[{ value: '', label: 'All' }, ...states.map((s) => { const n = tally(s.value); return { value: s.value, label: <>{s.label}{!!n && <span class={`tally${s.value === 'paused' ? ' bad' : ''}`}>{format.count(n)}</span>}</> }; })]} /></div>
        <div class="grow"><Field label="Find a saga" hideLabel search icon="search" placeholder="Id, step or error" value={r.get('q')} onInput={(v) => setParams({ q: v }, true)} /></div>
      </Toolbar>
      <HeldSteps list={list(q.data?.held).filter((h) => !service || h.service === service)} done={q.reload} />
      {list(q.data?.missing).map((m) => <Notice key={m.error} kind="warn">Sagas are missing here: {m.error}</Notice>)}
      <Loaded query={q} what="The sagas">
        {() => (
          <Panel flush>
            {rows.length ? <Table label="Sagas" first="30%" columns={columns} rows={rows} rowKey={(s) => `${s.service}/${s.name}/${s.id}`} href={hrefOf} tone={(s) => (s.state === 'paused' ? 'bad' : undefined)} />
              : q.stale ? <Skeleton rows={6} />
              : state || text || loaded.length ? <Empty title="No saga matches" action={<Button onClick={() => setParams({ state: null, q: null })}>Show all</Button>}>{!text ? 'None is in this state.' : whole ? 'None has this text.' : `Of the ${format.whole(loaded.length)} that changed last, of ${format.whole(q.data?.all ?? 0)}, none has this text.`}</Empty>
                : <Empty icon="sagas" title="There are no sagas yet">Each run of a saga shows here, once a service of the fleet defines one with package saga: in the shop every placed order is one.</Empty>}
          </Panel>
        )}
      </Loaded>
    </Page>
  );
}
