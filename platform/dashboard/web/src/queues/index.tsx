import { list, now, useQuery, type Group, type Outbox, type ParkedCount, type Queues, type Topic } from '../api';
import { Badge, Empty, Loaded, Notice, Page, Panel, Service, Table, format, type Column } from '../ui';
import { DeadLetters } from './dead';
import './queues.css';

// QueuesPage shows how far consumers are behind, and what they could not take.
export function QueuesPage() {
  const q = useQuery<Queues>('/v1/ops/queues', { every: 3000, keep: true });
  return (
    <Page title="Queues">
      <Loaded query={q} what="The queues">
        {(d) => (
          <>
            {list(d.missing).map((m) => <Notice key={m.error} kind="warn">Something is missing here: {m.error}</Notice>)}
            {list(d.topics).length + list(d.groups).length + list(d.dead).length + list(d.outboxes).length === 0 && list(d.missing).length === 0
              ? <section class="panel">{d.broker
                ? <Empty icon="queues" title="No topic has messages yet">A service publishes by its outbox, or by POST to <code>MUSTER_BUS_URL</code>.</Empty>
                : <Empty icon="queues" title="There is no broker">A fleet gets one as soon as a service of it says <code>publishes:</code> or <code>on:</code> in muster.yaml.</Empty>}</section>
              : <>
                <Groups groups={list(d.groups)} parked={list(d.parked)} />
                <DeadLetters entries={list(d.dead)} more={d.more} reload={q.reload} />
                <div class="grid-2"><Topics topics={list(d.topics)} /><Outboxes outboxes={list(d.outboxes)} /></div>
              </>}
          </>
        )}
      </Loaded>
    </Page>
  );
}

// Row is a group, and what its consumers set aside.
interface Row extends Group { waiting: number; dead: number; waits: number; tries: number; told: boolean }

const late = 10_000; // ms that the oldest message may wait before it is marked

const behind = (g: Row) => g.oldest_ns / 1e6;

function rowsOf(groups: Group[], parked: ParkedCount[]): Row[] {
  const names = [...new Set([...groups.map((g) => g.name), ...parked.filter((p) => p.waiting + p.dead > 0).map((p) => p.group)])].sort();
  return names.map((name) => {
    const of = parked.filter((p) => p.group === name);
    const g = groups.find((x) => x.name === name) ?? { name, topics: [], lag: 0, oldest_ns: 0, pending: 0 };
    return {
      ...g, told: of.length > 0, waiting: of.reduce((a, p) => a + p.waiting, 0), dead: of.reduce((a, p) => a + p.dead, 0),
      waits: 1000 * Math.max(0, ...of.map((p) => p.oldest_seconds)), tries: Math.max(0, ...of.map((p) => p.attempts)),
    };
  });
}

function Groups({ groups, parked }: { groups: Group[]; parked: ParkedCount[] }) {
  const rows = rowsOf(groups, parked);
  const most = Math.max(1, ...rows.map((g) => g.lag));
  const aside = (g: Row) => {
    if (!g.told) return <span class="faint" title="Who keeps them does not answer">?</span>;
    if (g.waiting === 0) return <span class="faint">0</span>;
    return <span class="warn" title={`the oldest since ${format.duration(g.waits)}, after up to ${g.tries} tries`}>{format.whole(g.waiting)}</span>;
  };
  const columns: Column<Row>[] = [
    { key: 'name', head: 'Group', sort: (g) => g.name, width: '148px', cell: (g) => <Service name={g.name} strong /> },
    { key: 'lag', head: 'Lag', sort: (g) => g.lag, width: '22%', cell: (g) => <span class="lag"><span class="num">{g.lag ? format.whole(g.lag) : <span class="faint">0</span>}</span><span class="lag-bar" aria-hidden="true"><span class={behind(g) > late ? 'warn' : ''} style={{ width: `${(g.lag / most) * 100}%` }} /></span></span> },
    { key: 'oldest', head: 'Oldest waits', num: true, width: '124px', from: 480, sort: behind, cell: (g) => (g.lag ? <span class={behind(g) > late ? 'warn strong' : ''}>{format.duration(behind(g))}</span> : <span class="faint">–</span>) },
    { key: 'pending', head: 'In work', num: true, width: '96px', from: 640, sort: (g) => g.pending, cell: (g) => (g.pending ? format.whole(g.pending) : <span class="faint">0</span>) },
    { key: 'waiting', head: 'To be retried', num: true, width: '120px', from: 640, sort: (g) => g.waiting, cell: aside },
    { key: 'dead', head: 'Dead', num: true, width: '80px', sort: (g) => g.dead, cell: (g) => (g.dead ? <span class="bad strong">{format.whole(g.dead)}</span> : <span class="faint">{g.told ? '0' : '?'}</span>) },
    { key: 'topics', head: 'Topics', from: 800, cell: (g) => <span class="muted" title={list(g.topics).join(', ')}>{list(g.topics).join(', ')}</span> },
  ];
  return <Panel title="Consumers" sub={format.count(rows.length)} flush>{rows.length ? <Table label="Consumers" columns={columns} rows={rows} rowKey={(g) => g.name} keys={false} tone={(g) => (g.dead ? 'bad' : (behind(g) > late && g.lag) || g.waiting ? 'warn' : undefined)} /> : <Empty title="Nobody consumes">No group has subscribed to a topic.</Empty>}</Panel>;
}

function Topics({ topics }: { topics: Topic[] }) {
  const columns: Column<Topic>[] = [
    { key: 'name', head: 'Topic', sort: (t) => t.name, cell: (t) => <span class="mono" title={t.name}>{t.name}</span> },
    { key: 'messages', head: 'Kept', num: true, width: '84px', sort: (t) => t.messages, cell: (t) => format.whole(t.messages) },
    { key: 'last', head: 'Last event', num: true, width: '92px', sort: (t) => t.last ?? '', cell: (t) => <span class="muted" title={t.last && `the last of its stream: ${t.last}`}>{t.last ? format.ago(Date.parse(t.last), now()) : '–'}</span> },
  ];
  return <Panel title="Topics" sub={format.count(topics.length)} flush>{topics.length ? <Table label="Topics" columns={columns} rows={topics} rowKey={(t) => t.name} keys={false} /> : <Empty title="No topic has messages">What services publish shows here.</Empty>}</Panel>;
}

function Outboxes({ outboxes }: { outboxes: Outbox[] }) {
  const refused = (o: Outbox) => list(o.refused).length;
  const columns: Column<Outbox>[] = [
    { key: 'service', head: 'Outbox of', sort: (o) => o.service, cell: (o) => <Service name={o.service} /> },
    { key: 'waiting', head: 'Waiting', num: true, width: '84px', sort: (o) => o.waiting, cell: (o) => (o.waiting ? <Badge tone={o.oldest_seconds * 1000 > late ? 'warn' : 'plain'}>{format.whole(o.waiting)}</Badge> : <span class="faint">0</span>) },
    { key: 'refused', head: 'Refused', num: true, width: '84px', sort: refused, cell: (o) => (refused(o) ? <Badge tone="bad" title="The broker refused them for good: they are among the dead letters">{format.whole(refused(o))}{o.more ? '+' : ''}</Badge> : <span class="faint">0</span>) },
    { key: 'oldest', head: 'Oldest', num: true, width: '96px', from: 480, sort: (o) => o.oldest_seconds, cell: (o) => (o.waiting ? <span class={o.oldest_seconds * 1000 > late ? 'warn' : 'muted'}>{format.duration(o.oldest_seconds * 1000)}</span> : <span class="faint">–</span>) },
  ];
  return <Panel title="Outboxes" sub={format.count(outboxes.length)} flush>{outboxes.length ? <Table label="Outboxes" columns={columns} rows={outboxes} rowKey={(o) => o.service} keys={false} tone={(o) => (refused(o) ? 'bad' : o.waiting && o.oldest_seconds * 1000 > late ? 'warn' : undefined)} /> : <Empty title="No service has an outbox">Messages that wait for the broker show here.</Empty>}</Panel>;
}
