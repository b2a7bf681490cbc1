// Everything about one span, beside the waterfall.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { list, withQuery, type Log, type Span, type SpanLink } from '../api';
import { Badge, Button, Icon, Service, Stat, Stats } from '../ui';
import { clock, duration, share } from '../ui/format';
import { AttributeTable } from './attributes';
import { criticalTime, isCritical, type Layout } from './layout';

interface DetailProps {
  span: Span; i: number; layout: Layout; trace: string; logs: readonly Log[];
  onClose: () => void; onFind: (query: string) => void; onSpan: (id: string) => void;
}

export function Detail({ span: s, i, layout: l, trace, logs, onClose, onFind, onSpan }: DetailProps) {
  const events = list(s.events);
  const links = list(s.links), linkedBy = list(s.linkedBy);
  const parent = l.parent[i];
  const total = l.until - l.from || 1;
  return (
    <aside class="detail" aria-label={'Span ' + s.name}>
      <header class="detail-head">
        <div class="detail-title">
          <div class="detail-marks">
            <Service name={s.service} strong />
            {s.kind && <Badge>{s.kind}</Badge>}
            {s.error && <Badge tone="bad">failed</Badge>}
            {isCritical(l, i) && <Badge tone="accent" title="The trace waited for this span">critical</Badge>}
          </div>
          <h2>{s.name}</h2>
        </div>
        <Button kind="quiet" icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <div class="detail-body" tabIndex={0} role="group" aria-label="About the span">
        {s.error && s.message && <p class="detail-message mono" role="note">{s.message}</p>}
        {s.missing && <p class="detail-note">Its parent {s.parent.slice(0, 8)} is not in this trace: it may come later, or was not kept.</p>}
        {!!s.moved && <p class="detail-note">Shown {duration(Math.abs(s.moved))} {s.moved > 0 ? 'later' : 'earlier'} than its process said, whose clock differs from its caller’s.</p>}
        <Stats>
          <Stat label="Duration" value={duration(s.duration)} sub={share(s.duration / total)} />
          <Stat label="Own time" value={duration(s.own)} sub={s.duration > 0 ? share(s.own / s.duration) : undefined} />
          <Stat label="Starts at" value={duration(l.start[i])} sub={clock(s.start, true)} />
          <Stat label="Critical path" value={isCritical(l, i) ? duration(criticalTime(l, i)) : '–'} />
        </Stats>
        {logs.length > 0 && <Part title="Logs" count={logs.length}><LogLines logs={logs} from={l.from} /></Part>}
        {events.length > 0 && (
          <Part title="Events" count={events.length}>
            <ol class="detail-events">
              {events.map((e, k) => (
                <li key={k}>
                  <p><span class="num faint">{duration(e.time - l.from)}</span> <b>{e.name}</b></p>
                  {Object.keys(e.attributes ?? {}).length > 0 && <AttributeTable attributes={e.attributes} label={'Attributes of ' + e.name} />}
                </li>
              ))}
            </ol>
          </Part>
        )}
        <Part title="Attributes" count={Object.keys(s.attributes ?? {}).length}>
          <AttributeTable attributes={s.attributes} label="Attributes" action={(k, v) => v.length > 200 ? null : (
            <span class="attr-do">
              <a href={withQuery('/traces', { attr: [k + '=' + v] })} title={'Traces with ' + k + ' = ' + v} aria-label={'Traces with ' + k + ' ' + v}><Icon name="traces" size={12} /></a>
              <button type="button" onClick={() => onFind(/\s/.test(v) ? `${k}="${v}"` : k + '=' + v)} title="Find in this trace" aria-label={'Find ' + k + ' ' + v + ' in this trace'}><Icon name="search" size={12} /></button>
            </span>
          )} />
        </Part>
        {links.length > 0 && <Part title="Links" count={links.length}><Links links={links} trace={trace} onSpan={onSpan} /></Part>}
        {linkedBy.length > 0 && <Part title="Linked by" count={linkedBy.length}><Links links={linkedBy} trace={trace} onSpan={onSpan} /></Part>}
        <Part title="Process" count={Object.keys(s.resource ?? {}).length} folded>
          <AttributeTable attributes={s.resource} label="Process" />
        </Part>
        <dl class="detail-ids mono">
          <dt>span</dt><dd>{s.id}</dd>
          {s.parent && <><dt>parent</dt><dd>{parent >= 0 ? <button type="button" class="link" onClick={() => onSpan(s.parent)}>{s.parent}</button> : s.parent}</dd></>}
          {s.scope && <><dt>scope</dt><dd>{s.scope}</dd></>}
        </dl>
      </div>
    </aside>
  );
}

function Part({ title, count, folded, children }: { title: string; count: number; folded?: boolean; children: ComponentChildren }) {
  const [open, setOpen] = useState(!folded);
  return (
    <section class="detail-part">
      <h3>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <i class={'wf-arrow' + (open ? '' : ' turned')} />{title} <span class="num faint">{count}</span>
        </button>
      </h3>
      {open && children}
    </section>
  );
}

/** Log records in a few lines each, at their time in the trace. */
export function LogLines({ logs, from }: { logs: readonly Log[]; from: number }) {
  return (
    <ol class="detail-logs mono">
      {logs.map((g, k) => (
        <li key={k} class={'sev-' + (g.severity || 'none')}>
          <span class="num faint">{duration(g.time - from)}</span>
          <span class="sev">{g.severity || 'log'}</span>
          <span class="detail-log">{g.body.slice(0, 2000)}</span>
        </li>
      ))}
    </ol>
  );
}

function Links({ links, trace, onSpan }: { links: SpanLink[]; trace: string; onSpan: (id: string) => void }) {
  return (
    <ul class="detail-links mono">
      {links.map((k) => (
        <li key={k.trace + k.span}>
          <Icon name="link" size={12} />
          {k.trace === trace
            ? <button type="button" class="link" onClick={() => onSpan(k.span)}>{k.span} <span class="faint">in this trace</span></button>
            : <a class="link" href={`/traces/${k.trace}?span=${k.span}`}>{k.trace.slice(0, 16)}…</a>}
        </li>
      ))}
    </ul>
  );
}
