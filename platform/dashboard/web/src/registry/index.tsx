import { list, useQuery, type Calls, type Catalog, type Instance } from '../api';
import { setParams, useRoute } from '../app/router';
import { Badge, Empty, Field, Loaded, Page, Panel, Service, Table, Toolbar, format, type Column, type Tone } from '../ui';
import { CallsOf, Unusual } from './calls';

const tones: Record<string, Tone> = { ready: 'good', draining: 'warn', starting: 'info' };

const columns: Column<Instance>[] = [
  { key: 'service', head: 'Service', sort: (i) => i.service, width: '17%', cell: (i) => <Service name={i.service} strong /> },
  { key: 'id', head: 'Instance', sort: (i) => i.id, width: '17%', cell: (i) => <span class="mono">{i.id}</span> },
  { key: 'state', head: 'State', sort: (i) => i.state, width: '112px', cell: (i) => <Badge tone={tones[i.state] ?? 'plain'}>{i.state}</Badge> },
  { key: 'version', head: 'Version', sort: (i) => i.version ?? '', width: '110px', from: 640, cell: (i) => <span class="mono muted">{i.version || '–'}</span> },
  { key: 'endpoints', head: 'Endpoints', from: 640, cell: (i) => <Endpoints of={i.endpoints ?? {}} /> },
  { key: 'zone', head: 'Zone', sort: (i) => i.zone ?? '', width: '90px', from: 1200, cell: (i) => <span class="muted">{i.zone || '–'}</span> },
  { key: 'weight', head: 'Weight', num: true, width: '84px', from: 960, sort: (i) => i.weight || 100, cell: (i) => <span class={(i.weight || 100) === 100 ? 'faint' : ''}>{i.weight || 100}</span> },
  { key: 'holder', head: 'Lease held by', width: '130px', from: 960, cell: (i) => <span class="muted">{i.holder || '–'}</span> },
];

function Endpoints({ of }: { of: Record<string, string> }) {
  return <span class="line">{Object.entries(of).sort().map(([name, at]) => <span key={name} class="endpoint" title={`${name} ${at}`}><span class="faint">{name}</span><span class="mono"><span class={`cut${at.startsWith('127.0.0.1:') ? ' local' : ''}`}>{at.slice(0, at.lastIndexOf(':'))}</span>{at.slice(at.lastIndexOf(':'))}</span></span>)}</span>;
}

// RegistryPage shows every instance that has a lease, and how the calls between them stand.
export function RegistryPage() {
  const r = useRoute();
  const text = r.get('q').toLowerCase();
  const q = useQuery<Catalog>('/v1/services', { every: 3000, keep: true });
  const calls = useQuery<Calls>('/v1/ops/calls', { every: 3000, keep: true });
  return (
    <Page title="Registry" sub={q.data ? `epoch ${q.data.epoch.slice(0, 8)}, change ${format.whole(q.data.index)}` : ''}>
      <Toolbar><div class="grow"><Field label="Find an instance" hideLabel search icon="search" placeholder="Service, instance, version, address" value={r.get('q')} onInput={(v) => setParams({ q: v }, true)} /></div></Toolbar>
      <Loaded query={q} what="The registry">
        {(c) => {
          const all = Object.entries(c.services ?? {}).sort(([a], [b]) => a.localeCompare(b)).flatMap(([, l]) => list(l));
          const rows = all.filter((i) => !text || [i.service, i.id, i.state, i.version, i.zone, ...Object.values(i.endpoints ?? {})].some((v) => v?.toLowerCase().includes(text)));
          const ready = all.filter((i) => i.state === 'ready').length;
          if (all.length === 0) return <section class="panel"><Empty icon="registry" title="Nothing is registered">Instances come here with their lease: <code>muster up</code> starts a fleet; a library service that is given <code>MUSTER_REGISTRY_URL</code> registers itself.</Empty></section>;
          return (<>
            <Unusual callers={list(calls.data?.callers)} />
            <Panel title="Instances" sub={`${ready} of ${all.length} ready`} flush>
              {rows.length ? <Table label="Instances" columns={columns} rows={rows} rowKey={(i) => i.id} first="34%" href={(i) => `/logs?service=${encodeURIComponent(i.service)}`} tone={(i) => (i.state === 'ready' ? undefined : 'warn')} />
                : <Empty title={`No instance matches “${r.get('q')}”`}>{all.length} others are registered.</Empty>}
            </Panel>
            {calls.data && <CallsOf calls={calls.data} text={text} />}
          </>);
        }}
      </Loaded>
    </Page>
  );
}
