import { list, now, useQuery, type Group, type Outbox, type Queues, type Topic } from '../api';
import { Badge, Empty, Loaded, Notice, Page, Panel, Service, Table, format, type Column } from '../ui';
import { Parked } from './parked';
import './queues.css';

// QueuesPage shows how far consumers are behind, and what they could not take.
export function QueuesPage() {
  const q = useQuery<Queues>('/v1/ops/queues', { every: 3000, keep: true });
  return (
    <Page title="Queues">
      <Loaded query={q} what="The queues">
        {(d) => (
          <>
            {list(d.missing).map((m) => <Notice key={m.service} kind="warn">What {m.service} keeps is missing here: {m.error}</Notice>)}
            {list(d.topics).length + list(d.groups).length + list(d.dead).length === 0
              ? <section class="panel"><Empty icon="queues" title="No topic has messages yet">A service publishes by its outbox, or by POST to <code>MUSTER_BUS_URL</code>.</Empty></section>
              : <>
                <Groups groups={list(d.groups)} />
                <Parked entries={list(d.dead)} reload={q.reload} />
                <div class="grid-2"><Topics topics={list(d.topics)} /><Outboxes outboxes={list(d.outboxes)} /></div>
              </>}
          </>
        )}
      </Loaded>
    </Page>
  );
}

const behind = (g: Group) => g.oldest_ns / 1e6;

function Groups({ groups }: { groups: Group[] }) {
  const most = Math.max(1, ...groups.map((g) => g.lag));
  const columns: Column<Group>[] = [
    { key: 'name', head: 'Group', sort: (g) => g.name, width: '18%', cell: (g) => <Service name={g.name} strong /> },
    { key: 'lag', head: 'Lag', sort: (g) => g.lag, width: '30%', cell: (g) => <span class="lag"><span class="num">{g.lag ? format.whole(g.lag) : <span class="faint">0</span>}</span><span class="lag-bar" aria-hidden="true"><span class={behind(g) > 10_000 ? 'warn' : ''} style={{ width: `${(g.lag / most) * 100}%` }} /></span></span> },
    { key: 'oldest', head: 'Oldest waits', num: true, width: '124px', sort: behind, cell: (g) => (g.lag ? <span class={behind(g) > 10_000 ? 'warn strong' : ''}>{format.duration(behind(g))}</span> : <span class="faint">–</span>) },
    { key: 'pending', head: 'In work', num: true, width: '96px', from: 480, sort: (g) => g.pending, cell: (g) => (g.pending ? format.whole(g.pending) : <span class="faint">0</span>) },
    { key: 'topics', head: 'Topics', from: 640, cell: (g) => <span class="muted" title={list(g.topics).join(', ')}>{list(g.topics).join(', ')}</span> },
  ];
  return <Panel title="Consumers" sub={format.count(groups.length)} flush>{groups.length ? <Table label="Consumers" columns={columns} rows={groups} rowKey={(g) => g.name} keys={false} tone={(g) => (behind(g) > 10_000 && g.lag ? 'warn' : undefined)} /> : <Empty title="Nobody consumes">No group has subscribed to a topic.</Empty>}</Panel>;
}

function Topics({ topics }: { topics: Topic[] }) {
  const columns: Column<Topic>[] = [
    { key: 'name', head: 'Topic', sort: (t) => t.name, cell: (t) => <span class="mono">{t.name}</span> },
    { key: 'messages', head: 'Kept', num: true, width: '96px', sort: (t) => t.messages, cell: (t) => format.whole(t.messages) },
    { key: 'last', head: 'Last', num: true, width: '110px', sort: (t) => t.last ?? '', cell: (t) => <span class="muted">{t.last ? format.ago(Date.parse(t.last), now()) : '–'}</span> },
  ];
  return <Panel title="Topics" sub={format.count(topics.length)} flush><Table label="Topics" columns={columns} rows={topics} rowKey={(t) => t.name} keys={false} /></Panel>;
}

// oldestOf reads how long an outbox's oldest message waits: a moment, or seconds.
function oldestOf(o: Outbox): string {
  if (typeof o.oldest === 'number') return o.oldest > 0 ? format.duration(o.oldest * 1000) : '–';
  if (typeof o.oldest === 'string' && !Number.isNaN(Date.parse(o.oldest)) && !o.oldest.startsWith('0001')) return format.duration(Math.max(0, now() - Date.parse(o.oldest)));
  return '–';
}

function Outboxes({ outboxes }: { outboxes: Outbox[] }) {
  const columns: Column<Outbox>[] = [
    { key: 'service', head: 'Outbox of', sort: (o) => o.service, cell: (o) => <Service name={o.service} /> },
    { key: 'messages', head: 'Waiting', num: true, width: '96px', sort: (o) => o.messages, cell: (o) => (o.messages ? <Badge tone={o.messages > 100 ? 'warn' : 'plain'}>{format.whole(o.messages)}</Badge> : <span class="faint">0</span>) },
    { key: 'oldest', head: 'Oldest', num: true, width: '110px', cell: (o) => <span class="muted">{o.messages ? oldestOf(o) : '–'}</span> },
  ];
  return <Panel title="Outboxes" sub={format.count(outboxes.length)} flush>{outboxes.length ? <Table label="Outboxes" columns={columns} rows={outboxes} rowKey={(o) => o.service} keys={false} /> : <Empty title="No service has an outbox">Messages that wait for the broker show here.</Empty>}</Panel>;
}
