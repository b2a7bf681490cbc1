import { useState } from 'preact/hooks';
import { now } from '../api';
import { setParams, type Route } from '../app/router';
import { Button, Field } from './controls';
import { Dialog } from './dialog';
import { moment } from './format';

// Range is a span of time: the last so many milliseconds, or from a moment to another.
export interface Range { from: number; until: number; last?: number; key: string }

const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
export const presets = ['5m', '15m', '1h', '6h', '24h', '48h', '7d'];

// parseSpan reads 15m, 6h, 7d; 0 when it is none.
export function parseSpan(text: string): number {
  const m = /^(\d{1,5})([smhd])$/.exec(text);
  return m ? Number(m[1]) * units[m[2]] : 0;
}

// rangeOf reads the range of an address: ?range=1h, or ?from=MS&until=MS.
export function rangeOf(r: Route, otherwise = '15m'): Range {
  const from = Number(r.get('from'));
  const until = Number(r.get('until'));
  if (from && until > from) return { from, until, key: `${from}-${until}` };
  const key = parseSpan(r.get('range')) ? r.get('range') : otherwise;
  const last = parseSpan(key);
  const end = now();
  return { from: end - last, until: end, last, key };
}

// setRange puts a range into the address: as the last so much, or from a moment to another.
export function setRange(r: string | { from: number; until: number }) {
  if (typeof r === 'string') setParams({ range: r, from: null, until: null });
  else setParams({ range: null, from: String(Math.round(r.from)), until: String(Math.round(r.until)) });
}

// TimeRange chooses the time that a page is about; it lives in the address. until: a page
// that shows live windows only offers no moments of its own.
export function TimeRange({ range, options = presets, absolute = true }: { range: Range; options?: string[]; absolute?: boolean }) {
  const [asking, ask] = useState(false);
  const custom = !range.last;
  return (
    <div class="timerange">
      {custom && <Button icon="close" kind="plain" onClick={() => setRange(options[1] ?? options[0])} title="Back to the last minutes">{moment(range.from, now())} – {moment(range.until, now())}</Button>}
      <div class="segmented" role="group" aria-label="Time range">
        {options.map((o) => <button key={o} type="button" aria-pressed={range.key === o} onClick={() => setRange(o)}>{o}</button>)}
        {absolute && <button type="button" aria-pressed={custom} aria-label="Other time range" title="Other time range" onClick={() => ask(true)}>…</button>}
      </div>
      {asking && <Absolute range={range} onClose={() => ask(false)} />}
    </div>
  );
}

function local(ms: number): string {
  const d = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return d.toISOString().slice(0, 19).replace('T', ' ');
}

function Absolute({ range, onClose }: { range: Range; onClose: () => void }) {
  const [from, setFrom] = useState(local(range.from));
  const [until, setUntil] = useState(local(range.until));
  const [a, b] = [Date.parse(from.replace(' ', 'T')), Date.parse(until.replace(' ', 'T'))];
  const wrong = Number.isNaN(a) || Number.isNaN(b) ? 'Write moments like 2026-05-01 13:45:00.' : a >= b ? 'The end is not after the beginning.' : '';
  const apply = () => {
    if (wrong) return;
    setRange({ from: a, until: b });
    onClose();
  };
  return (
    <Dialog title="Time range" onClose={onClose} actions={<><Button onClick={onClose}>Cancel</Button><Button kind="main" disabled={!!wrong} onClick={apply}>Apply</Button></>}>
      <div class="stack">
        <Field label="From" mono value={from} onInput={setFrom} onEnter={apply} />
        <Field label="Until" mono value={until} onInput={setUntil} onEnter={apply} error={wrong} />
      </div>
    </Dialog>
  );
}
