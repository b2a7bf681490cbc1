import { useState } from 'preact/hooks';
import { act, list, useQuery, type SagaDetail, type SagaEvent } from '../api';
import { useKeys } from '../app/keys';
import { go } from '../app/router';
import { Badge, Button, Confirm, Icon, Loaded, Notice, Page, Panel, Service, format, type Tone } from '../ui';
import { EditData, RetryAll, orders, type Order } from './orders';
import { ended, place, toneOf, traceOf } from './state';

// SagaPage shows one saga: where it stands, how it came there, what can be done.
export function SagaPage({ service, name, id }: { service: string; name: string; id: string }) {
  const path = `/v1/ops/sagas/${[service, name, id].map(encodeURIComponent).join('/')}`;
  const q = useQuery<SagaDetail>(path, { every: 3000, keep: true });
  const [asked, ask] = useState<Order | null>(null);
  useKeys({ Escape: () => go('/sagas') }, []);
  const s = q.data;
  return (
    <Page title={id} back={<a class="back" href="/sagas" aria-label="All sagas"><Icon name="left" /></a>} sub={<span class="line"><span>{name}</span>{s && <Badge tone={toneOf(s.state)}>{s.state}</Badge>}</span>}
      actions={s && <>
        {traceOf(s) && <a class="button" href={`/traces/${traceOf(s)}`}><Icon name="traces" />Trace</a>}
        {!ended(s) && orders.filter((a) => a.may(s)).map((a) => <Button key={a.verb} kind={a.danger ? 'danger' : 'main'} onClick={() => ask(a)}>{a.name}</Button>)}
      </>}>
      <Loaded query={q} what="The saga">{(d) => <Whole d={d} path={path} reload={q.reload} />}</Loaded>
      {asked && s && (
        <Confirm title={`${asked.name}: ${name}/${id}`} action={asked.name} danger={asked.danger} note onClose={() => ask(null)}
          run={async (note) => { await act(`${path}/${asked.verb}`, note); q.reload(); }}>
          {place(s) && <p>It is at <span class="strong">{place(s)}</span>. </p>}<p>{asked.text}</p>
        </Confirm>
      )}
    </Page>
  );
}

function Whole({ d, path, reload }: { d: SagaDetail; path: string; reload: () => void }) {
  const facts: [string, preact.ComponentChildren][] = [
    ['Service', <Service name={d.service} />], ['Version', String(d.version)], ['At step', place(d) || 'the end'], ['Tries of the step', String(d.attempts)],
    ['Created', format.clock(Date.parse(d.created), true)], ['Changed', format.clock(Date.parse(d.updated), true)],
  ];
  if (d.owner) facts.push(['Held by', <span class="mono">{d.owner}</span>]);
  if (d.next_at && !ended(d)) facts.push(['Next try', format.clock(Date.parse(d.next_at))]);
  return (
    <>
      {d.error && <Notice kind="bad" action={<RetryAll s={d} done={reload} />}><span class="strong">{place(d)}</span> failed: {d.error}</Notice>}
      {d.reason && <Notice kind="warn">It is compensated because: {d.reason}</Notice>}
      {d.doubt && !ended(d) && <Notice kind="warn">An attempt of the step may have had an effect, though it failed.</Notice>}
      {!d.loadable && <Notice kind="bad">No running build of {d.service} knows version {d.version} of this saga: nothing will happen until one does.</Notice>}
      <div class="saga-grid">
        <Panel title="History" sub={`${list(d.history).length} events`} flush><History events={list(d.history)} /></Panel>
        <div class="stack">
          <Panel title="Facts"><dl class="facts">{facts.map(([k, v]) => <div key={k}><dt>{k}</dt><dd class="num">{v}</dd></div>)}</dl></Panel>
          <Panel title="Data" actions={<EditData s={d} path={path} done={reload} />}><pre class="data">{JSON.stringify(d.data, null, 2)}</pre></Panel>
        </div>
      </div>
    </>
  );
}

const outcomes: Record<string, { tone: Tone; text: string }> = {
  started: { tone: 'plain', text: 'started' }, done: { tone: 'good', text: 'done' }, waits: { tone: 'info', text: 'waits for an answer' },
  rejected: { tone: 'warn', text: 'refused' }, retry: { tone: 'warn', text: 'failed, tried again' }, unknown: { tone: 'warn', text: 'outcome unknown' },
  fault: { tone: 'bad', text: 'failed' }, bug: { tone: 'bad', text: 'stopped by a mistake' },
  retried: { tone: 'accent', text: 'retried' }, skipped: { tone: 'accent', text: 'skipped' }, compensated: { tone: 'accent', text: 'turned back' },
  paused: { tone: 'accent', text: 'paused' }, resumed: { tone: 'accent', text: 'resumed' }, edited: { tone: 'accent', text: 'data replaced' }, upgraded: { tone: 'info', text: 'upgraded' },
};

function History({ events }: { events: SagaEvent[] }) {
  return (
    <ol class="history">
      {events.map((e, i) => {
        const o = outcomes[e.outcome] ?? { tone: 'plain' as Tone, text: e.outcome };
        const gap = i > 0 ? Date.parse(e.at) - Date.parse(events[i - 1].at) : 0;
        return (
          <li key={e.seq} class={o.tone}>
            <span class="history-dot" aria-hidden="true" />
            <span class="num muted history-time" title={e.at}>{format.clock(Date.parse(e.at), true)}</span>
            <span class="history-what">
              <span class="line"><span class="strong">{e.direction === 'undo' ? `undo ${e.step}` : e.step}</span><Badge tone={o.tone}>{o.text}</Badge>{gap > 0 && <span class="faint num">+{format.duration(gap)}</span>}</span>
              {e.error && <span class="bad wrap">{e.error}</span>}
              {(e.by || (e.why && e.why !== 'answered')) && <span class="muted wrap">{e.by}{e.by && e.why ? ': ' : ''}{e.why}</span>}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
