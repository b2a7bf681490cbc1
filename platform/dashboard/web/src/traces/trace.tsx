// One trace.
import { useMemo } from 'preact/hooks';
import { list, now, useQuery, withQuery, type Log, type Logs, type Trace } from '../api';
import { go } from '../app/router';
import { Button, Empty, ErrorState, Icon, Notice, Page, Skeleton } from '../ui';
import { moment, whole } from '../ui/format';
import { listAddress } from './back';
import { TraceView } from './traceview';

const mostLogs = 5000; // that are marked in the trace

export function TracePage({ id }: { id: string }) {
  const q = useQuery<Trace>('/v1/telemetry/traces/' + encodeURIComponent(id));
  // Logs are asked for beside the trace, not after it; a trace without them is shown.
  const logs = useQuery<Logs>(withQuery('/v1/telemetry/logs', { trace: id, limit: mostLogs }));
  const bySpan = useMemo(() => group(list(logs.data?.logs)), [logs.data]);

  const back = <a class="back" href={listAddress()} aria-label="All traces"><Icon name="left" /></a>;
  if (!q.data) {
    const short = id.slice(0, 12) + (id.length > 12 ? '…' : '');
    return (
      <Page title="Trace" sub={<span class="mono">{short}</span>} wide back={back}>
        {!q.error ? <Skeleton rows={14} height={24} />
          : q.error.status === 404
            ? <Empty title="There is no such trace" icon="traces" action={<><Button icon="refresh" onClick={q.reload}>Look again</Button><Button onClick={() => go(listAddress())}>All traces</Button></>}>
                It may be too old to be kept, not have been sampled, or still be on its way: spans come within a second of their end.
              </Empty>
            : <ErrorState error={q.error} what="The trace" retry={q.reload} />}
      </Page>
    );
  }
  const t = q.data;
  return (
    <Page title={t.service + ': ' + t.name} wide back={back} sub={<span class="num">{moment(t.start, now())}</span>}
      actions={<>
        <Button kind="quiet" icon="copy" label="Copy the trace's id" onClick={() => void navigator.clipboard?.writeText(t.trace)} />
        <Button kind="quiet" icon="refresh" label="Load again" onClick={q.reload} />
        <a class="button" href={'/logs?trace=' + t.trace}><Icon name="logs" />Logs</a>
        <a class="button" href={'/v1/telemetry/traces/' + t.trace} download={'trace-' + t.trace + '.json'}>JSON</a>
      </>}>
      {q.error && <Notice kind="warn" action={<Button small onClick={q.reload}>Try again</Button>}>The trace could not be loaded anew: {q.error.message}</Notice>}
      {logs.error && <Notice kind="warn" action={<Button small onClick={logs.reload}>Try again</Button>}>Its log records could not be loaded: {logs.error.message}</Notice>}
      {logs.data?.more && <Notice>The trace has more than {whole(mostLogs)} log records: the newest {whole(mostLogs)} of them are marked in it. <a href={'/logs?trace=' + t.trace}>See all</a></Notice>}
      <TraceView key={t.trace} trace={t} logs={bySpan} />
    </Page>
  );
}

function group(logs: Log[]): Map<string, Log[]> {
  const by = new Map<string, Log[]>();
  for (const g of logs) {
    const l = by.get(g.span);
    if (l) l.push(g); else by.set(g.span, [g]);
  }
  for (const l of by.values()) l.sort((a, b) => a.time - b.time);
  return by;
}
