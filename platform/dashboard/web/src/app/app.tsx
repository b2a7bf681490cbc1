import { Component, type ComponentChildren } from 'preact';
import { HealthPage } from '../health';
import { LogsPage } from '../logs';
import { MapPage } from '../map';
import { MetricsPage } from '../metrics';
import { OverviewPage } from '../overview';
import { QueuesPage } from '../queues';
import { RegistryPage } from '../registry';
import { SagaPage, SagasPage } from '../sagas';
import { TracePage, TracesPage } from '../traces';
import { Button, Empty, Page } from '../ui';
import { useRoute } from './router';
import { Named, Shell } from './shell';

export function App() {
  const title = document.querySelector<HTMLMetaElement>('meta[name="muster-title"]')?.content ?? '';
  const { path } = useRoute();
  return (
    <Shell title={title}>
      <Bounds key={path}><Named>{page(path)}</Named></Bounds>
    </Shell>
  );
}

function page(path: string) {
  const [, first = '', ...rest] = path.split('/').map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  if (rest.length === 0 || rest[0] === '') {
    switch (first) {
      case '': return <OverviewPage />;
      case 'map': return <MapPage />;
      case 'traces': return <TracesPage />;
      case 'logs': return <LogsPage />;
      case 'explore': return <MetricsPage />;
      case 'sagas': return <SagasPage />;
      case 'queues': return <QueuesPage />;
      case 'registry': return <RegistryPage />;
      case 'health': return <HealthPage />;
    }
  }
  if (first === 'traces' && rest.length === 1) return <TracePage id={rest[0]} />;
  if (first === 'sagas' && rest.length === 3) return <SagaPage service={rest[0]} name={rest[1]} id={rest[2]} />;
  return (
    <Page title="No such page">
      <Empty title={`There is no page ${path}`} action={<a class="button" href="/">Go to the overview</a>}>The address may be mistyped, or from another version of Muster.</Empty>
    </Page>
  );
}

// Bounds shows what went wrong in place of a page that cannot be drawn.
class Bounds extends Component<{ children: ComponentChildren }, { error?: unknown }> {
  state: { error?: unknown } = {};
  static getDerivedStateFromError(error: unknown) { return { error }; }
  componentDidCatch(error: unknown) { console.error(error); }
  render() {
    if (this.state.error === undefined) return <>{this.props.children}</>;
    return (
      <Page title="This page failed">
        <Empty icon="alert" title="The page has a mistake and could not be drawn" action={<Button icon="refresh" onClick={() => this.setState({ error: undefined })}>Draw it again</Button>}>
          <p>{String(this.state.error)}</p>
        </Empty>
      </Page>
    );
  }
}
