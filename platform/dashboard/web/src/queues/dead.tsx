import { useState } from 'preact/hooks';
import { act, now, type Dead } from '../api';
import { setParams, useRoute } from '../app/router';
import { Badge, Button, Confirm, Empty, Panel, Segmented, Table, format, type Column } from '../ui';

interface Asked { verb: 'redrive' | 'discard'; one?: Dead; group?: string }

// A message that the broker refused is its publisher's: no group has it.
const refused = 'refused by the broker';
const groupOf = (e: Dead) => e.group || refused;

// DeadLetters shows messages that nobody tries any more until a person says so.
export function DeadLetters({ entries, more, reload }: { entries: Dead[]; more: boolean; reload: () => void }) {
  const r = useRoute();
  const [asked, ask] = useState<Asked | null>(null);
  const groups = [...new Set(entries.map(groupOf))].sort();
  const group = groups.includes(r.get('group')) ? r.get('group') : '';
  const rows = entries.filter((e) => !group || groupOf(e) === group);
  // All of a group are redriven by one order, those that are not listed, too.
  const only = groups.length === 1 ? groups[0] : group;
  const columns: Column<Dead>[] = [
    { key: 'topic', head: 'Message', width: '26%', sort: (e) => e.topic, cell: (e) => <span title={`${e.topic} ${e.event}`}><span class="mono">{e.topic}</span>{e.key && <span class="faint"> {e.key}</span>}</span> },
    { key: 'group', head: 'Group', width: '104px', from: 480, sort: groupOf, cell: (e) => (e.group ? e.group : <Badge tone="warn" title={`${refused}; published by ${e.service}`}>refused</Badge>) },
    { key: 'attempts', head: 'Tries', num: true, width: '68px', from: 800, sort: (e) => e.attempts, cell: (e) => e.attempts || <span class="faint">–</span> },
    { key: 'error', head: 'Error', from: 640, cell: (e) => <span class="bad" title={e.error}>{e.error}</span> },
    { key: 'parked', head: 'Since', num: true, width: '104px', from: 960, sort: (e) => Date.parse(e.parked), cell: (e) => <span class="muted" title={e.parked}>{format.ago(Date.parse(e.parked), now())}</span> },
    { key: 'do', head: 'Actions', hideHead: true, num: true, width: '164px', cell: (e) => <span class="row-actions"><Button small onClick={() => ask({ verb: 'redrive', one: e })}>Redrive</Button><Button small kind="danger" onClick={() => ask({ verb: 'discard', one: e })}>Discard</Button></span> },
  ];
  const e = asked?.one;
  return (
    <Panel title="Dead letters" sub={entries.length ? `${format.whole(entries.length)}${more ? ' of more' : ''}` : ''} flush actions={<>
      {groups.length > 1 && <div class="scroll-x"><Segmented label="Group" value={group} onChange={(g) => setParams({ group: g }, true)} options={[{ value: '', label: 'All' }, ...groups.map((g) => ({ value: g, label: g }))]} /></div>}
      {only && only !== refused && rows.length > 1 && <Button onClick={() => ask({ verb: 'redrive', group: only })}>Redrive all of {only}</Button>}
    </>}>
      {rows.length ? <Table label="Dead letters" first="48%" columns={columns} rows={rows} rowKey={(x) => `${x.service}/${x.id}`} height={40} keys={false} />
        : <Empty icon="check" title="No dead letters">What a consumer gives up on, and what the broker refuses for good, stays here until somebody redrives or discards it.</Empty>}
      {asked && (
        <Confirm title={e ? `${asked.verb === 'redrive' ? 'Redrive' : 'Discard'} a message of ${e.topic}` : `Redrive all of ${asked.group}`} action={asked.verb === 'redrive' ? 'Redrive' : 'Discard'} danger={asked.verb === 'discard'} onClose={() => { ask(null); reload(); }}
          run={() => (e ? act(`/v1/ops/dead/${encodeURIComponent(e.service)}/${encodeURIComponent(e.id)}/${asked.verb}`) : act('/v1/ops/redrive', { group: asked.group }))}>
          {e?.error && <p>It failed with: <span class="bad">{e.error}</span></p>}
          <p>{asked.verb === 'discard' ? 'It is taken out for good: its consumer will never see it.'
            : e && !e.group ? 'It is published in its turn. If the broker refuses it again, it comes back here.'
              : e ? 'Its consumer tries it again at once. What it fails on again comes back here.'
                : `Every dead message of ${asked.group} is tried again at once, those that are not listed here, too. What fails again comes back here.`}</p>
        </Confirm>
      )}
    </Panel>
  );
}
