import { useMemo } from 'preact/hooks';
import { list, type Summary } from '../api';
import { Badge, Table, serviceColor, useTheme, type Column } from '../ui';
import { clock, duration, moment, whole } from '../ui/format';

/** Traces, a line each. bySpan: the spans that were looked for matter, not the traces that they are in. */
export function TraceList({ traces, now, bySpan }: { traces: Summary[]; now: number; bySpan?: boolean }) {
  const theme = useTheme();
  const took = (t: Summary) => (bySpan && t.slowest) || t.duration;
  const longest = useMemo(() => traces.reduce((m, t) => Math.max(m, took(t)), 0), [traces, bySpan]);
  const day = (t: Summary) => moment(t.start, now);
  const columns: Column<Summary>[] = [
    {
      key: 'name', head: 'Trace', cell: (t) => (
        <span class="trace-name">
          <i class="wf-color" style={{ background: serviceColor(t.service, theme) }} />
          <b>{t.service}</b> <span class="muted cut">{t.name}</span>
          {arriving(t, now) && <Badge tone="info" title="It ended a moment ago: more of its spans may be on their way">arriving</Badge>}
          {t.rootless && !arriving(t, now) && <Badge title="Its first span is not here">no root</Badge>}
          {t.errors > 0 && <Badge tone="bad" title={t.errors + ' of its spans failed'}>{t.errors === 1 ? '1 error' : t.errors + ' errors'}</Badge>}
        </span>
      ),
    },
    { key: 'services', head: 'Services', width: '190px', from: 800, cell: (t) => <Share trace={t} /> },
    { key: 'spans', head: 'Spans', width: '84px', num: true, from: 640, sort: (t) => t.spans, cell: (t) => whole(t.spans) },
    {
      key: 'duration', head: bySpan ? 'Slowest span' : 'Duration', width: 'clamp(92px, 13vw, 190px)', num: true, sort: took, cell: (t) => (
        <span class="trace-time">
          <span class="trace-bar" aria-hidden="true"><i style={{ width: Math.max(2, Math.sqrt(took(t) / longest) * 100) + '%', background: t.errors > 0 ? 'var(--bad)' : serviceColor(t.service, theme) }} /></span>
          <span>{duration(took(t))}</span>
        </span>
      ),
    },
    { key: 'start', head: 'Started', width: '148px', num: true, from: 480, sort: (t) => t.start, cell: (t) => <time dateTime={new Date(t.start).toISOString()} title={clock(t.start, true)}>{day(t)}<span class="faint">.{String(Math.floor(t.start % 1000)).padStart(3, '0')}</span></time> },
  ];
  return <Table label="Traces" first="66%" columns={columns} rows={traces} rowKey={(t) => t.trace} href={(t) => '/traces/' + t.trace} />;
}

// arriving tells whether more of a trace may come: services send their spans each second or
// two, not all at once.
function arriving(t: Summary, now: number): boolean { return now - t.start - t.total < 4000; }

// Share draws how many of a trace's spans are whose, and says so.
function Share({ trace }: { trace: Summary }) {
  const theme = useTheme();
  const parts = list(trace.services);
  const text = parts.map((p) => p.name + ' ' + p.spans + (p.errors ? ' (' + p.errors + ' failed)' : '')).join(', ');
  return (
    <span class="share" title={text}>
      <span class="share-bar" aria-hidden="true">{parts.map((p) => <i key={p.name} style={{ flexGrow: p.spans, background: serviceColor(p.name, theme) }} />)}</span>
      <span class="num muted" aria-hidden="true">{parts.length}</span>
      <span class="only-read">{text}</span>
    </span>
  );
}
