import { list, useQuery, type Change, type Overview } from '../api';
import { setParams, useRoute } from '../app/router';
import { Empty, Loaded, Page, Segmented, format } from '../ui';
import { Attention } from './attention';
import { Changes } from './changes';
import './overview.css';
import { Headline } from './headline';
import { ServiceTable } from './services';

const windows = ['5m', '15m', '1h'];

export function OverviewPage() {
  const r = useRoute();
  const wanted = r.get('window', '15m');
  const window = windows.includes(wanted) ? wanted : '15m';
  const live = window === '15m';
  const q = useQuery<Overview>(`/v1/telemetry/overview?window=${window}`, live ? { live: 'overview', keep: true } : { every: 10_000, keep: true });
  const updated = q.data ? `until ${format.clock(q.data.until)}` : '';
  return (
    <Page title="Overview" sub={updated} actions={<Segmented label="Window" value={window} onChange={(w) => setParams({ window: w === '15m' ? null : w })} options={windows.map((w) => ({ value: w, label: w }))} />}>
      <Loaded query={q} what="The overview" rows={10}>
        {(o) => (list(o.services).length === 0 ? <Nothing /> : <Whole o={o} />)}
      </Loaded>
    </Page>
  );
}

function Whole({ o }: { o: Overview }) {
  const services = list(o.services).filter((s) => !s.engine);
  const engines = list(o.services).filter((s) => s.engine);
  const changes: Change[] = [...list(o.changes)].sort((a, b) => b.time - a.time);
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
