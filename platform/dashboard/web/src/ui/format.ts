// Numbers as people read them: three digits that count, and a unit.

const nbsp = '\u00a0';

function digits(n: number): string {
  const a = Math.abs(n);
  if (a >= 100 || a === 0) return n.toFixed(0);
  if (a >= 10) return n.toFixed(1).replace(/\.0$/, '');
  return n.toFixed(2).replace(/\.?0+$/, '');
}

// duration writes milliseconds: "850 µs", "12.4 ms", "4.6 s", "2 min 5 s", "3 h 10 min".
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
  const a = Math.abs(ms);
  if (a === 0) return `0${nbsp}ms`;
  if (a < 0.001) return `${digits(ms * 1e6)}${nbsp}ns`;
  if (a < 0.9995) return `${digits(ms * 1000)}${nbsp}µs`;
  if (a < 999.5) return `${digits(ms)}${nbsp}ms`;
  if (a < 59_950) return `${digits(ms / 1000)}${nbsp}s`;
  const s = Math.round(ms / 1000);
  const parts: [number, string][] = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'], [s % 60, 's']];
  const first = parts.findIndex(([n]) => n > 0);
  return parts.slice(first, first + 2).filter(([n], i) => i === 0 || n > 0).map(([n, u]) => `${n}${nbsp}${u}`).join(' ');
}

// count writes 1,234 in full and 12.3 k, 4.5 M beyond ten thousand.
export function count(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const a = Math.abs(n);
  if (a < 10_000) return Number.isInteger(n) ? n.toLocaleString('en-US') : digits(n);
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (a >= size) return `${digits(n / size)}${nbsp}${unit}`;
  }
  return digits(n);
}

// whole writes every digit: 1,234,567.
export function whole(n: number): string { return Math.round(n).toLocaleString('en-US'); }

// rate writes what happens a second.
export function rate(n: number | null | undefined): string {
  return n === null || n === undefined ? '–' : `${n > 0 && n < 0.01 ? '<0.01' : count(n)}${nbsp}/s`;
}

// share writes 0-1 as a percentage that never rounds a failure away.
export function share(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const p = n * 100;
  if (p === 0) return `0${nbsp}%`;
  if (p < 0.01) return `<0.01${nbsp}%`;
  if (p > 99.99 && p < 100) return `>99.99${nbsp}%`;
  return `${digits(p)}${nbsp}%`;
}

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let u = 0;
  while (Math.abs(n) >= (u === 0 ? 1024 : 1000) && u < units.length - 1) { n /= 1024; u++; }
  return `${digits(n)}${nbsp}${units[u]}`;
}

const two = (n: number) => String(n).padStart(2, '0');

// clock writes a moment of the day: 12:03:20, with ms 12:03:20.123.
export function clock(ms: number, fraction = false): string {
  const d = new Date(ms);
  const t = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return fraction ? `${t}.${String(d.getMilliseconds()).padStart(3, '0')}` : t;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// moment writes a moment beside now: the time alone today, with the day otherwise.
export function moment(ms: number, now: number): string {
  const d = new Date(ms);
  return d.toDateString() === new Date(now).toDateString() ? clock(ms) : `${d.getDate()} ${months[d.getMonth()]} ${clock(ms)}`;
}

// timeLabels writes the ticks of an axis of time, seconds since 1970, that are step s apart:
// the time of day, and the day where one begins; where only days are ticks, days.
export function timeLabels(ticks: number[], step: number): string[] {
  return ticks.map((s) => {
    const d = new Date(s * 1000);
    const t = clock(s * 1000);
    if (step >= 86_400 || (step >= 1 && t === '00:00:00')) return `${d.getDate()} ${months[d.getMonth()]}`;
    return step >= 60 ? t.slice(0, 5) : clock(s * 1000, step < 1);
  });
}

// ago writes how long something is past: "now", "12 s ago", "3 min ago", "2 d ago".
export function ago(ms: number, now: number): string {
  const s = Math.round((now - ms) / 1000);
  if (s < -2) return `in ${span(-s)}`;
  return s < 3 ? 'now' : `${span(s)} ago`;
}

function span(s: number): string {
  if (s < 60) return `${s}${nbsp}s`;
  if (s < 3600) return `${Math.round(s / 60)}${nbsp}min`;
  if (s < 86_400 * 2) return `${Math.round(s / 3600)}${nbsp}h`;
  return `${Math.round(s / 86_400)}${nbsp}d`;
}
