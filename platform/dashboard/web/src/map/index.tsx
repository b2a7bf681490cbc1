import { useMemo } from 'preact/hooks';
import { list, useQuery, type MapEdge, type MapNode, type ServiceMap } from '../api';
import { useKeys } from '../app/keys';
import { setParams, useRoute } from '../app/router';
import { Badge, Button, Empty, Field, Icon, Loaded, Page, Panel, Segmented, Service, Stat, Stats, Table, format, type Column, type IconName } from '../ui';
import { Drawing, failing } from './drawing';
import './map.css';

const windows = ['1m', '5m', '15m', '1h'];

// MapPage draws who calls whom, from traffic alone.
export function MapPage() {
  const r = useRoute();
  const wanted = r.get('window', '5m');
  const window = windows.includes(wanted) ? wanted : '5m';
  const q = useQuery<ServiceMap>(`/v1/telemetry/map?window=${window}`, window === '5m' ? { live: 'map', keep: true } : { every: 10_000, keep: true });
  return (
    <Page title="Map" wide sub={q.data && list(q.data.nodes).length ? `${format.clock(q.data.from)} – ${format.clock(q.data.until)}` : ''} actions={<>
      <Field label="Find a service" hideLabel search icon="search" placeholder="Find a service" width={200} value={r.get('q')} onInput={(v) => setParams({ q: v }, true)} />
      <Segmented label="Window" value={window} onChange={(w) => setParams({ window: w === '5m' ? null : w })} options={windows.map((w) => ({ value: w, label: w }))} />
    </>}>
      <Loaded query={q} what="The map" rows={12}>
        {(m) => (list(m.nodes).length ? <Whole m={m} /> : (
          <section class="panel"><Empty icon="map" title={`No traffic in the last ${window}`}>The map is drawn from what services send each other. Send a request, or choose a longer window.</Empty></section>
        ))}
      </Loaded>
    </Page>
  );
}

function Whole({ m }: { m: ServiceMap }) {
  const r = useRoute();
  const text = r.get('q').toLowerCase();
  const selected = list(m.nodes).some((n) => n.name === r.get('service')) ? r.get('service') : '';
  const select = (name: string) => setParams({ service: name }, true);
  useKeys({ Escape: () => select('') }, []);
  const node = list(m.nodes).find((n) => n.name === selected);
  return (
    <>
      <div class={`map-frame${node ? ' with-detail' : ''}`}>
        <Drawing map={m} selected={selected} found={(name) => !text || name.toLowerCase().includes(text)} onSelect={select} />
        {node && <Detail m={m} node={node} onClose={() => select('')} onSelect={select} />}
      </div>
      <Edges m={m} selected={selected} text={text} />
    </>
  );
}

function Detail({ m, node, onClose, onSelect }: { m: ServiceMap; node: MapNode; onClose: () => void; onSelect: (name: string) => void }) {
  const inward = list(m.edges).filter((e) => e.to === node.name);
  const outward = list(m.edges).filter((e) => e.from === node.name);
  const service = encodeURIComponent(node.name);
  return (
    <aside class="map-detail" aria-label={node.name}>
      <header class="spread"><h2><Name name={node.name} kind={node.kind} strong /></h2><Button small kind="quiet" icon="close" label="Close" onClick={onClose} /></header>
      <Stats>
        <Stat label="Rate" value={format.rate(node.rate)} />
        <Stat label="Failed" value={format.share(node.errors)} tone={failing(node) ? 'bad' : 'plain'} />
        <Stat label="p50" value={format.duration(node.p50)} />
        <Stat label="p99" value={format.duration(node.p99)} />
      </Stats>
      {node.kind === 'service' && <div class="line"><a class="button" href={`/traces?service=${service}`}>Traces</a><a class="button" href={`/logs?service=${service}`}>Logs</a></div>}
      <Neighbours m={m} title={`Asked by ${inward.length}`} edges={inward} other={(e) => e.from} onSelect={onSelect} />
      <Neighbours m={m} title={`Asks ${outward.length}`} edges={outward} other={(e) => e.to} onSelect={onSelect} />
    </aside>
  );
}

function Neighbours({ m, title, edges, other, onSelect }: { m: ServiceMap; title: string; edges: MapEdge[]; other: (e: MapEdge) => string; onSelect: (name: string) => void }) {
  if (edges.length === 0) return null;
  return (
    <div>
      <h3 class="muted">{title}</h3>
      <ul class="neighbours">
        {[...edges].sort((a, b) => b.rate - a.rate).map((e) => (
          <li key={e.from + e.to + e.kind}>
            <button type="button" onClick={() => onSelect(other(e))}>
              <span class="spread"><Name name={other(e)} kind={list(m.nodes).find((n) => n.name === other(e))?.kind} strong /><span class="num muted">{format.rate(e.rate)}</span></span>
              <span class="spread"><span class="muted cut" title={list(e.labels).join('\n')}>{e.kind === 'event' ? 'event ' : ''}{list(e.labels)[0] ?? e.kind}{list(e.labels).length > 1 ? ` +${list(e.labels).length - 1}` : ''}</span><span class={`num ${failing(e) ? 'bad' : 'muted'}`}>{failing(e) ? format.share(e.errors) : format.duration(e.p99)}</span></span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

const icons: Partial<Record<MapNode['kind'], IconName>> = { database: 'database', external: 'globe', user: 'user' };

// Name is a node's name behind its colour, or the sign of what it is.
function Name({ name, kind, strong }: { name: string; kind?: MapNode['kind']; strong?: boolean }) {
  const icon = kind && icons[kind];
  return icon ? <span class={`map-name${strong ? ' strong' : ''}`}><Icon name={icon} size={12} /><span class="cut">{name}</span></span> : <Service name={name} strong={strong} />;
}

const columnsOf = (kind: (name: string) => MapNode['kind'] | undefined): Column<MapEdge>[] => [
  { key: 'from', head: 'From', sort: (e) => e.from, width: '17%', cell: (e) => <Name name={e.from} kind={kind(e.from)} strong /> },
  { key: 'to', head: 'To', sort: (e) => e.to, width: '17%', cell: (e) => <Name name={e.to} kind={kind(e.to)} /> },
  { key: 'kind', head: 'By', sort: (e) => e.kind, width: '84px', from: 640, cell: (e) => <Badge tone={e.kind === 'event' ? 'accent' : 'plain'}>{e.kind}</Badge> },
  { key: 'labels', head: 'What', from: 800, cell: (e) => <span class="muted" title={list(e.labels).join('\n')}>{list(e.labels).slice(0, 2).join(', ')}{list(e.labels).length > 2 ? ` +${list(e.labels).length - 2}` : ''}</span> },
  { key: 'rate', head: 'Rate', num: true, width: '96px', sort: (e) => e.rate, cell: (e) => format.rate(e.rate) },
  { key: 'errors', head: 'Failed', num: true, width: '88px', from: 480, sort: (e) => e.errors, cell: (e) => <span class={failing(e) ? 'bad strong' : e.errors ? '' : 'faint'}>{format.share(e.errors)}</span> },
  { key: 'p50', head: 'p50', num: true, width: '92px', from: 640, sort: (e) => e.p50, cell: (e) => <span class="muted">{format.duration(e.p50)}</span> },
  { key: 'p99', head: 'p99', num: true, width: '92px', from: 480, sort: (e) => e.p99, cell: (e) => format.duration(e.p99) },
];

// Edges is the map as a table: the same figures for those who do not see the drawing.
function Edges({ m, selected, text }: { m: ServiceMap; selected: string; text: string }) {
  const kinds = useMemo(() => new Map(list(m.nodes).map((n) => [n.name, n.kind])), [m]);
  const columns = useMemo(() => columnsOf((name) => kinds.get(name)), [kinds]);
  const rows = list(m.edges).filter((e) => (selected ? e.from === selected || e.to === selected : !text || e.from.toLowerCase().includes(text) || e.to.toLowerCase().includes(text)));
  return <Panel title={selected ? `Connections of ${selected}` : 'Connections'} sub={format.count(rows.length)} flush>{rows.length ? <Table label="Connections" columns={columns} rows={rows} rowKey={(e) => `${e.from} ${e.to} ${e.kind}`} sortBy="rate" descending onOpen={(e) => setParams({ service: e.to }, true)} /> : <Empty title="No connection matches">No service of that name took part in this window.</Empty>}</Panel>;
}
