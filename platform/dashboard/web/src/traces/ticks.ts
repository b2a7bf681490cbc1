// Round places on axes: durations by 1-2-5, times of day by what clocks divide into.

/** The steps of clocks, in ms, below a day. */
const clock = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3,
  60e3, 120e3, 300e3, 600e3, 900e3, 1800e3,
  3600e3, 7200e3, 10800e3, 21600e3, 43200e3,
];
const day = 86400e3;

/** The smallest of 1, 2 and 5 times a power of ten that is at least `least`. */
export function roundStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  for (const m of [1, 2, 5]) if (m * power >= least * (1 - 1e-9)) return m * power;
  return 10 * power;
}

/** Places on an axis of durations from `from` to `until` ms, at most `most` of them. */
export function durationTicks(from: number, until: number, most: number): number[] {
  const step = roundStep((until - from) / Math.max(1, most));
  const places: number[] = [];
  // Counted in whole steps, so that no sum of rounding errors shows in a label.
  for (let i = Math.ceil(from / step - 1e-9); i * step <= until + step * 1e-9; i++) places.push(i * step);
  return places;
}

/** Places on an axis of time, ms since 1970, on round local times, at most `most` of them. */
export function timeTicks(from: number, until: number, most: number): number[] {
  const least = (until - from) / Math.max(1, most);
  const step = clock.find((s) => s >= least) ?? Math.ceil(least / day) * day;
  // Round in local time: midnight is a tick where the reader lives.
  const offset = -new Date(from).getTimezoneOffset() * 60e3;
  const places: number[] = [];
  for (let t = Math.ceil((from + offset) / step) * step - offset; t <= until; t += step) places.push(t);
  return places;
}

const two = (n: number) => String(n).padStart(2, '0');

/** The label of a tick of timeTicks whose neighbour is `step` ms away. */
export function timeLabel(t: number, step: number): string {
  const d = new Date(t);
  const hm = two(d.getHours()) + ':' + two(d.getMinutes());
  if (step >= day || (step >= 3600e3 && hm === '00:00'))
    return d.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  if (step >= 60e3) return hm;
  const hms = hm + ':' + two(d.getSeconds());
  return step >= 1e3 ? hms : hms + '.' + String(d.getMilliseconds()).padStart(3, '0');
}
