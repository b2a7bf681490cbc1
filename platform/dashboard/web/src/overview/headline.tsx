import { list, type Overview, type Series } from '../api';
import { Sparkline, format } from '../ui';
import { front, last, lately } from './figures';

// Headline is the four figures that say whether users are well served.
export function Headline({ o }: { o: Overview }) {
  const f = front(o);
  const ready = list(o.services).reduce((a, s) => a + s.ready, 0);
  const instances = list(o.services).reduce((a, s) => a + s.instances, 0);
  const errors = lately(f.errors, f.rate, o.step);
  return (
    <section class="headline" aria-label="Headline figures">
      <Tile label={`${f.name}, requests`} value={format.rate(last(f.rate))} values={f.rate} tone="accent" />
      <Tile label="Failed, last minute" value={format.share(errors)} values={f.errors} tone={(errors ?? 0) >= 0.01 ? 'bad' : 'plain'} max={0.01} bad={(errors ?? 0) >= 0.01} />
      <Tile label="Latency, p99" value={format.duration(last(f.p99))} sub={`p50 ${format.duration(last(f.p50))}`} values={f.p99} second={f.p50} tone="accent" />
      <div class="tile">
        <span class="tile-label">Instances ready</span>
        {instances > 0 ? <span class={`tile-value num${ready < instances ? ' warn' : ''}`}>{ready} <span class="tile-of">of {instances}</span></span> : <span class="tile-value num">– <span class="tile-of">none is registered</span></span>}
        <Pips o={o} />
      </div>
    </section>
  );
}

function Tile({ label, value, sub, values, second, tone, max, bad }: { label: string; value: string; sub?: string; values: Series; second?: Series; tone: 'accent' | 'plain' | 'bad'; max?: number; bad?: boolean }) {
  return (
    <div class="tile">
      <span class="tile-label">{label}</span>
      <span class={`tile-value num${bad ? ' bad' : ''}`}>{value}{sub && ' '}{sub && <span class="tile-of">{sub}</span>}</span>
      <Sparkline values={values} second={second} label={`${label} over the window`} width={360} height={44} tone={tone} max={max} />
    </div>
  );
}

// Pips shows every instance as a square, those that are not ready hollow.
function Pips({ o }: { o: Overview }) {
  const all = list(o.services).flatMap((s) => Array.from({ length: s.instances }, (_, i) => ({ name: s.name, ready: i < s.ready })));
  return <div class="pips" aria-hidden="true">{all.slice(0, 120).map((p, i) => <span key={i} class={p.ready ? 'pip' : 'pip off'} title={`${p.name}: ${p.ready ? 'ready' : 'not ready'}`} />)}</div>;
}
