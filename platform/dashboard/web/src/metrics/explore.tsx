// What is shown before the first query: questions to begin with, and every metric there is.
import { useState } from 'preact/hooks';
import type { Query } from '../api';
import { Badge, Empty, Field, Icon, Loaded, Panel, Table, type Column } from '../ui';
import { whole } from '../ui/format';
import type { Metric } from './promql';

interface Start { title: string; text: string; query: string; needs: string }

const starts: Start[] = [
  { title: 'Requests a second', text: 'by service', needs: 'http_server_request_duration_seconds_count', query: 'sum by (job) (rate(http_server_request_duration_seconds_count[5m]))' },
  { title: 'Latency', text: '99th percentile, by service', needs: 'http_server_request_duration_seconds_bucket', query: 'histogram_quantile(0.99, sum by (job, le) (rate(http_server_request_duration_seconds_bucket[5m])))' },
  { title: 'Failing share', text: 'of requests, by service', needs: 'http_server_request_duration_seconds_count', query: 'sum by (job) (rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[5m])) / sum by (job) (rate(http_server_request_duration_seconds_count[5m]))' },
  { title: 'Messages a second', text: 'processed, by service', needs: 'messaging_process_duration_seconds_count', query: 'sum by (job) (rate(messaging_process_duration_seconds_count[5m]))' },
  { title: 'Memory', text: 'in use by Go, by service', needs: 'go_memory_used_bytes', query: 'sum by (job) (go_memory_used_bytes)' },
  { title: 'Goroutines', text: 'by service', needs: 'go_goroutine_count', query: 'sum by (job) (go_goroutine_count)' },
];

export function Explore({ known, onQuery }: { known: Query<Metric[]>; onQuery: (q: string) => void }) {
  const [text, setText] = useState('');
  const columns: Column<Metric>[] = [
    { key: 'name', head: 'Metric', sort: (m) => m.name, cell: (m) => <span class="mono cut metric-name">{m.name}</span> },
    { key: 'type', head: 'Type', width: '110px', from: 640, sort: (m) => m.type ?? '', cell: (m) => (m.type ? <Badge>{m.type}</Badge> : null) },
    { key: 'help', head: 'What it is', width: '45%', from: 800, cell: (m) => <span class="muted cut metric-help">{m.help}</span> },
  ];
  return (
    <Loaded query={known} what="The names of the metrics" rows={12}>
      {(metrics) => {
        const has = new Set(metrics.map((m) => m.name));
        const some = starts.filter((s) => has.has(s.needs));
        const low = text.toLowerCase();
        const found = metrics.filter((m) => m.name.toLowerCase().includes(low) || m.help?.toLowerCase().includes(low));
        if (metrics.length === 0) return <Panel><Empty title="No metrics yet" icon="metrics">Services send theirs every few seconds. Any program can: point its OTLP exporter at this address.</Empty></Panel>;
        return (
          <>
            {some.length > 0 && (
              <ul class="starts" aria-label="Questions to begin with">
                {some.map((s) => (
                  <li key={s.title}>
                    <button type="button" onClick={() => onQuery(s.query)}><Icon name="metrics" /><span><b>{s.title}</b><span class="muted">{s.text}</span></span></button>
                  </li>
                ))}
              </ul>
            )}
            <Panel flush title="All metrics" sub={text ? `${whole(found.length)} of ${whole(metrics.length)}` : whole(metrics.length)}
              actions={<Field label="Filter" hideLabel icon="search" placeholder="Filter" width="200px" value={text} onInput={setText} />}>
              {found.length > 0
                ? <Table label="Metrics" columns={columns} rows={found} rowKey={(m) => m.name} onOpen={(m) => onQuery(queryFor(m))} height={32} />
                : <Empty title="No metric is called so">Take a part of the filter away.</Empty>}
            </Panel>
          </>
        );
      }}
    </Loaded>
  );
}

/** The query that most want of a metric of its type. */
function queryFor(m: Metric): string {
  if (/_bucket$/.test(m.name)) return `histogram_quantile(0.99, sum by (job, le) (rate(${m.name}[5m])))`;
  if (/_(total|count|sum)$/.test(m.name) && m.type !== 'gauge') return `sum by (job) (rate(${m.name}[5m]))`;
  if (m.type === 'counter') return `sum by (job) (rate(${m.name}[5m]))`;
  if (m.type === 'histogram') return `histogram_quantile(0.99, sum by (job) (rate(${m.name}[5m])))`;
  return m.name;
}
