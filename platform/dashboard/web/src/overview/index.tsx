import { useMemo } from 'preact/hooks';
import { list, useQuery, type Change, type Overview } from '../api';
import { setParams, useRoute } from '../app/router';
import { Empty, Loaded, Page, Segmented, format } from '../ui';
import { Attention } from './attention';
import { Changes } from './changes';
import { fromFirst } from './figures';
import './overview.css';
import { Headline } from './headline';
import { ServiceTable } from './services';

const windows = ['5m', '15m', '1h'];
const usual = '5m'; // the window of what the stream brings

export function OverviewPage() {
  const r = useRoute();
  const wanted = r.get('window', usual);
  const window = windows.includes(wanted) ? wanted : usual;
  const live = window === usual;
  const q = useQuery<Overview>(`/v1/telemetry/overview?window=${window}`, live ? { live: 'overview', keep: true } : { every: 10_000, keep: true });
  const o = useMemo(() => q.data && fromFirst(q.data), [q.data]);
  const short = o && q.data && o.from > q.data.from;
  const updated = o ? `${short ? `the first ${format.duration(o.until - o.from)}, ` : ''}until ${format.clock(o.until)}` : '';
  return (
    <Page title="Overview" sub={updated} actions={<Segmented label="Window" value={window} onChange={(w) => setParams({ window: w === usual ? null : w })} options={windows.map((w) => ({ value: w, label: w }))} />}>
      <Loaded query={q} what="The overview" rows={10}>
        {() => (list(o?.services).length === 0 ? <Nothing /> : <Whole o={o!} all={list(q.data!.changes)} />)}
      </Loaded>
    </Page>
  );
}

function Whole({ o, all }: { o: Overview; all: Change[] }) {
  const services = list(o.services).filter((s) => !s.engine);
  const engines = list(o.services).filter((s) => s.engine);
  const changes: Change[] = [...all].sort((a, b) => b.time - a.time);
  return (
    <>
      <Headline o={o} />
      <div class="overview">
        <div class="stack overview-main">
          <Attention o={o} />
          {services.length > 0 && <ServiceTable title="Services" o={o} rows={services} changes={changes} keys />}
          {engines.length > 0 && <ServiceTable title="Engines" o={o} rows={engines} changes={changes} />}
        </div>
        <Changes changes={changes} until={o.until} />
      </div>
    </>
  );
}

function Nothing() {
  return (
    <section class="panel">
      <Empty icon="overview" title="No service has been heard of yet">
        <p>Start a fleet with <code>muster up</code>, or the shop with <code>muster demo</code>.</p>
        <p>Any OpenTelemetry program can send here, too: set <code>OTEL_EXPORTER_OTLP_ENDPOINT={location.origin}</code>.</p>
      </Empty>
    </section>
  );
}
