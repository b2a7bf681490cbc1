import { type Change } from '../api';
import { Badge, Panel, Service, format, type Tone } from '../ui';

const kinds: Record<string, Tone> = { version: 'accent', joined: 'good', left: 'warn' };

// Moment is changes of one kind that belong together: a fleet that starts is one.
interface Moment { time: number; kind: string; changes: Change[] }

const together = 3000; // ms

// moments puts changes of a kind that follow each other closely together. changes: the
// newest first.
export function moments(changes: Change[]): Moment[] {
  const all: Moment[] = [];
  for (const c of changes) {
    const m = all.findLast((x) => x.kind === c.kind);
    if (m && m.time - c.time <= together) {
      m.changes.push(c);
      m.time = c.time;
    } else all.push({ time: c.time, kind: c.kind, changes: [c] });
  }
  return all;
}

// Changes is what was changed or happened in the fleet, the newest first.
export function Changes({ changes, until }: { changes: Change[]; until: number }) {
  const all = moments(changes).sort((a, b) => b.changes[0].time - a.changes[0].time);
  return (
    <Panel title="What changed" flush>
      {all.length === 0 ? <p class="changes-none muted">Nothing in this window: no service came, went or changed its version.</p> : (
        <ol class="changes">{all.slice(0, 40).map((m) => (m.changes.length > 2 ? <Many key={m.time} m={m} until={until} /> : m.changes.map((c) => <One key={c.service + c.time + c.detail} c={c} until={until} />)))}</ol>
      )}
    </Panel>
  );
}

function When({ time, until }: { time: number; until: number }) {
  return <time class="muted num" title={format.clock(time)}>{format.ago(time, until)}</time>;
}

function One({ c, until }: { c: Change; until: number }) {
  return (
    <li>
      <div class="spread"><Service name={c.service} strong /><When time={c.time} until={until} /></div>
      <div class="change-detail"><Badge tone={kinds[c.kind] ?? 'plain'}>{c.kind}</Badge><span class="muted">{c.detail}</span></div>
    </li>
  );
}

function Many({ m, until }: { m: Moment; until: number }) {
  const services = [...new Set(m.changes.map((c) => c.service))].sort();
  const what = m.kind === 'joined' || m.kind === 'left' ? `${m.changes.length} instances ${m.kind}` : `${m.changes.length} changes`;
  return (
    <li>
      <div class="spread"><span class="strong">{what}</span><When time={m.time} until={until} /></div>
      <div class="change-services" title={m.changes.map((c) => c.detail).join('\n')}>{services.map((s) => <Service key={s} name={s} />)}</div>
    </li>
  );
}
