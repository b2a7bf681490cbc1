import { Empty, Skeleton, Table, type Column } from '../ui';
import type { Sample } from './prometheus';
import type { Run } from './run';
import { unitOf } from './units';

interface Row { key: string; letter: string; name: string; labels: [string, string][]; text: string; value: number; raw: string }

/** The values that the queries have now. */
export function Samples({ runs, letters }: { runs: Run[]; letters: string }) {
  const rows = runs.flatMap((r, k) => r.samples.slice(0, 5000).map((s, i) => rowOf(s, unitOf(r.query).format, letters[k], i)));
  const columns: Column<Row>[] = [
    {
      key: 'name', head: 'Series', sort: (r) => r.name + r.labels.join(), cell: (r) => (
        <span class="sample mono">
          {runs.length > 1 && <b class="faint">{r.letter} </b>}
          {r.name && <b>{r.name}</b>}
          {r.labels.map(([k, v]) => <span key={k} class="sample-label"><span class="faint">{k}=</span>{v}</span>)}
          {!r.name && r.labels.length === 0 && <span class="muted">value</span>}
        </span>
      ),
    },
    { key: 'value', head: 'Value', width: '160px', num: true, sort: (r) => r.value, cell: (r) => <span title={r.raw}>{r.text}</span> },
  ];
  if (rows.length > 0) return <Table label="Values" columns={columns} rows={rows} rowKey={(r) => r.key} height={32} />;
  if (runs.some((r) => r.loading)) return <Skeleton rows={6} />;
  if (runs.every((r) => r.error)) return <Empty title="No values" icon="metrics">The query could not be run.</Empty>;
  return <Empty title="No series" icon="metrics">Nothing has this name and these labels now.</Empty>;
}

function rowOf(s: Sample, format: (n: number) => string, letter: string, i: number): Row {
  const { __name__: name = '', ...labels } = s.metric;
  const raw = s.value?.[1] ?? (s.histogram ? `${s.histogram[1].count} observations, sum ${s.histogram[1].sum}` : '');
  const value = s.value ? Number(raw) : Number(s.histogram?.[1].count ?? NaN);
  return { key: letter + i, letter, name, labels: Object.entries(labels), raw, value: Number.isNaN(value) ? -Infinity : value, text: s.value && Number.isFinite(value) ? format(value) : raw };
}
