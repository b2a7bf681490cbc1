import { list, type Overview, type ServiceOverview } from '../api';
import { Icon, format } from '../ui';
import { gone, last, lately, median, type Trouble } from './figures';

// troublesOf says what a person should look at first, the worst first: instances that are
// not ready, requests that fail, answers far slower than in the rest of the window.
export function troublesOf(o: Overview): Trouble[] {
  return list(o.services).flatMap((s) => [ready(s, o), failing(s, o.step), slow(s)]).filter((t): t is Trouble => t !== null).sort((a, b) => b.weight - a.weight);
}

function ready(s: ServiceOverview, o: Overview): Trouble | null {
  if (gone(s, o)) return { service: s.name, why: 'ready', tone: 'bad', weight: 1000, text: 'no instance is left in the registry' };
  if (s.instances === 0 || s.ready >= s.instances) return null;
  const none = s.ready === 0;
  return { service: s.name, why: 'ready', tone: none ? 'bad' : 'warn', weight: none ? 1000 : 10, text: none ? 'no instance is ready' : `${s.ready} of ${s.instances} instances ready` };
}

function failing(s: ServiceOverview, step: number): Trouble | null {
  const share = lately(s.errors, s.rate, step) ?? 0;
  if (share < 0.01) return null;
  return { service: s.name, why: 'errors', tone: share >= 0.05 ? 'bad' : 'warn', weight: 100 * share + 20, text: `${format.share(share)} of its requests failed in the last minute` };
}

function slow(s: ServiceOverview): Trouble | null {
  const [now, usual] = [last(s.p99), median(s.p99)];
  if (now === null || usual === null || usual <= 0 || now < 50 || now < 3 * usual) return null;
  return { service: s.name, why: 'slow', tone: 'warn', weight: now / usual, text: `p99 is ${format.duration(now)}, ${Math.round(now / usual)} times the usual ${format.duration(usual)}` };
}

function target(t: Trouble): string {
  const service = encodeURIComponent(t.service);
  if (t.why === 'ready') return `/registry?q=${service}`;
  return t.why === 'errors' ? `/traces?service=${service}&error=true` : `/traces?service=${service}&sort=slowest`;
}

export function Attention({ o }: { o: Overview }) {
  const troubles = troublesOf(o).slice(0, 6);
  if (troubles.length === 0) return <p class="all-well"><Icon name="check" />Nothing needs attention: {list(o.services).some((s) => s.instances > 0) && 'every instance is ready, and '}no service fails to answer or is slower than usual.</p>;
  return (
    <ul class="attention" aria-label="Needs attention">
      {troubles.map((t) => (
        <li key={t.service + t.why}><a href={target(t)} class={`is-${t.tone}`}><Icon name="alert" size={14} /><span class="strong">{t.service}</span><span class="attention-text">{t.text}</span><Icon name="chevron" size={12} /></a></li>
      ))}
    </ul>
  );
}
