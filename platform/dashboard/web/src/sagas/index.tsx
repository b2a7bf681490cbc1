import { list, now, useQuery, withQuery, type Saga, type Sagas } from '../api';
import { setParams, useRoute } from '../app/router';
import { Badge, Empty, Field, Loaded, Notice, Page, Panel, Segmented, Service, Table, Toolbar, format, type Column } from '../ui';
import { ended, hrefOf, place, states, toneOf } from './state';
import './sagas.css';

export { SagaPage } from './detail';

const columns: Column<Saga>[] = [
  { key: 'id', head: 'Saga', sort: (s) => s.id, width: '23%', cell: (s) => <><span class="muted">{s.name}/</span><span class="mono strong">{s.id}</span></> },
  { key: 'state', head: 'State', sort: (s) => states.findIndex((x) => x.value === s.state), width: '132px', cell: (s) => <Badge tone={toneOf(s.state)}>{s.state}</Badge> },
  { key: 'service', head: 'Service', sort: (s) => s.service, width: '128px', from: 640, cell: (s) => <Service name={s.service} /> },
  { key: 'step', head: 'At step', sort: place, width: '132px', from: 640, cell: (s) => (ended(s) ? <span class="faint">–</span> : <span>{place(s)}</span>) },
  { key: 'attempts', head: 'Tries', num: true, width: '74px', from: 960, sort: (s) => s.attempts, cell: (s) => (s.attempts ? <span class={s.attempts > 3 ? 'warn' : ''}>{s.attempts}</span> : <span class="faint">–</span>) },
  { key: 'why', head: 'Why', from: 640, cell: (s) => <span class={s.error ? 'bad' : 'muted'} title={s.error || s.reason}>{s.error || s.reason}</span> },
  { key: 'age', head: 'Took', num: true, width: '100px', from: 1200, sort: (s) => Date.parse(s.updated) - Date.parse(s.created), cell: (s) => <span class="muted">{format.duration((ended(s) ? Date.parse(s.updated) : now()) - Date.parse(s.created))}</span> },
  { key: 'updated', head: 'Changed', num: true, width: '110px', sort: (s) => Date.parse(s.updated), cell: (s) => <span class="muted" title={s.updated}>{format.ago(Date.parse(s.updated), now())}</span> },
];

export function SagasPage() {
  const r = useRoute();
  const state = r.get('state');
  const text = r.get('q').toLowerCase();
  const q = useQuery<Sagas>(withQuery('/v1/ops/sagas', { service: r.get('service') }), { every: 5000, keep: true });
  const all = list(q.data?.sagas);
  const count = (s: string) => all.filter((x) => !s || x.state === s).length;
  const rows = all.filter((s) => (!state || s.state === state) && (!text || [s.id, s.name, s.service, s.step, s.error, s.reason].some((v) => v?.toLowerCase().includes(text))));
  return (
    <Page title="Sagas" sub={q.data ? `the last ${format.count(all.length)} that changed` : ''}>
      <Toolbar>
        <div class="scroll-x"><Segmented label="State" value={state} onChange={(s) => setParams({ state: s })} options={[{ value: '', label: 'All' }, ...states.filter((s) => count(s.value) || s.value === state).map((s) => ({ value: s.value, label: <>{s.label}<span class="tally">{count(s.value)}</span></> }))]} /></div>
        <div class="grow"><Field label="Find a saga" hideLabel search icon="search" placeholder="Id, step or error" value={r.get('q')} onInput={(v) => setParams({ q: v }, true)} /></div>
      </Toolbar>
      {list(q.data?.missing).map((m) => <Notice key={m.service} kind="warn">Sagas of {m.service} are missing here: {m.error}</Notice>)}
      <Loaded query={q} what="The sagas">
        {() => (
          <Panel flush>
            {rows.length ? <Table label="Sagas" columns={columns} rows={rows} rowKey={(s) => `${s.service}/${s.name}/${s.id}`} href={hrefOf} tone={(s) => (s.state === 'paused' ? 'bad' : undefined)} />
              : all.length ? <Empty title="No saga matches">Of {all.length} sagas none has this state and text.</Empty>
                : <Empty icon="sagas" title="There are no sagas yet">A service that defines one with package saga shows each of its runs here: in the shop every placed order is one.</Empty>}
          </Panel>
        )}
      </Loaded>
    </Page>
  );
}
