import { useState } from 'preact/hooks';
import { act, now, type Dead } from '../api';
import { setParams, useRoute } from '../app/router';
import { Badge, Button, Confirm, Empty, Panel, Segmented, Table, format, type Column } from '../ui';

interface Asked { verb: 'redrive' | 'discard'; entries: Dead[] }

// Parked shows messages that consumers set aside: dead ones, which nobody tries any more
// until a person says so, and those that wait for their next try.
export function Parked({ entries, reload }: { entries: Dead[]; reload: () => void }) {
  const r = useRoute();
  const [asked, ask] = useState<Asked | null>(null);
  const dead = entries.filter((e) => e.dead);
  const show = r.get('parked', dead.length ? 'dead' : 'all');
  const rows = show === 'all' ? entries : show === 'dead' ? dead : entries.filter((e) => !e.dead);
  const columns: Column<Dead>[] = [
    { key: 'topic', head: 'Message', width: '24%', sort: (e) => e.topic, cell: (e) => <span title={`${e.topic} ${e.event}`}><span class="mono">{e.topic}</span>{e.key && <span class="faint"> {e.key}</span>}</span> },
    { key: 'group', head: 'Group', width: '104px', from: 640, sort: (e) => e.group, cell: (e) => e.group },
    { key: 'state', head: 'State', width: '92px', from: 480, sort: (e) => (e.dead ? 0 : 1), cell: (e) => (e.dead ? <Badge tone="bad">dead</Badge> : e.trying ? <Badge tone="info">in work</Badge> : <Badge>waits</Badge>) },
    { key: 'attempts', head: 'Tries', num: true, width: '68px', from: 800, sort: (e) => e.attempts, cell: (e) => e.attempts },
    { key: 'error', head: 'Error', from: 640, cell: (e) => <span class="muted" title={e.error}>{e.error || 'waits behind another of its key'}</span> },
    { key: 'parked', head: 'Parked', num: true, width: '104px', from: 960, sort: (e) => Date.parse(e.parked), cell: (e) => <span class="muted">{format.ago(Date.parse(e.parked), now())}</span> },
    { key: 'do', head: 'Actions', hideHead: true, num: true, width: '164px', cell: (e) => <span class="row-actions"><Button small onClick={() => ask({ verb: 'redrive', entries: [e] })}>Redrive</Button><Button small kind="danger" onClick={() => ask({ verb: 'discard', entries: [e] })}>Discard</Button></span> },
  ];
  const one = asked?.entries.length === 1 ? asked.entries[0] : undefined;
  return (
    <Panel title="Set aside" sub={dead.length ? `${dead.length} dead` : ''} flush actions={<>
      {entries.length > 0 && <Segmented label="Which" value={show} onChange={(v) => setParams({ parked: v }, true)} options={[{ value: 'dead', label: 'Dead' }, { value: 'waiting', label: 'Waiting' }, { value: 'all', label: 'All' }]} />}
      {dead.length > 1 && <Button onClick={() => ask({ verb: 'redrive', entries: dead })}>Redrive all {dead.length}</Button>}
    </>}>
      {rows.length ? <Table label="Messages set aside" columns={columns} rows={rows} rowKey={(e) => `${e.service}/${e.id}`} height={40} />
        : <Empty icon="check" title={entries.length ? 'None of these' : 'Nothing was set aside'}>Messages that a consumer fails on wait here for their next try; what it gives up on stays until somebody redrives or discards it.</Empty>}
      {asked && (
        <Confirm title={`${asked.verb === 'redrive' ? 'Redrive' : 'Discard'} ${one ? `a message of ${one.topic}` : `${asked.entries.length} messages`}`} action={asked.verb === 'redrive' ? 'Redrive' : 'Discard'} danger={asked.verb === 'discard'} onClose={() => { ask(null); reload(); }}
          run={async () => { for (const e of asked.entries) await act(`/v1/ops/dead/${encodeURIComponent(e.service)}/${encodeURIComponent(e.id)}/${asked.verb}`); }}>
          {one && <p>{one.error ? <>It failed with: <span class="bad">{one.error}</span></> : 'It waits behind another of its key.'}</p>}
          <p>{asked.verb === 'redrive' ? 'Its consumer tries it again at once. What it fails on again comes back here.' : 'It is taken out for good: its consumer will never see it.'}</p>
        </Confirm>
      )}
    </Panel>
  );
}
