import { useId } from 'preact/hooks';
import type { Series } from '../api';

// path draws the values that are known; a gap where they are not.
function path(v: Series, x: (i: number) => number, y: (n: number) => number): string {
  let d = '';
  let pen = false;
  v.forEach((n, i) => {
    if (n === null) { pen = false; return; }
    d += `${pen ? 'L' : 'M'}${x(i).toFixed(1)} ${y(n).toFixed(1)}`;
    pen = true;
  });
  return d;
}

export interface SparklineProps {
  values: Series; label: string; width?: number; height?: number; tone?: 'plain' | 'bad' | 'accent';
  max?: number; // top of the scale; else the highest value
  second?: Series; // a fainter line on the same scale
  ticks?: { at: number; title: string }[]; // moments of changes, 0-1 of the width
}

// Sparkline is a small line without axes; label says to a screen reader what it shows.
export function Sparkline({ values, label, width = 120, height = 26, tone = 'plain', max, second, ticks }: SparklineProps) {
  const fill = useId();
  const known = [...values, ...(second ?? [])].filter((n): n is number => n !== null);
  const top = Math.max(max ?? 0, ...known) || 1;
  const x = (i: number) => 1 + (i * (width - 2)) / Math.max(values.length - 1, 1);
  const y = (n: number) => height - 2 - (n / top) * (height - 5);
  const line = known.some((n) => n > 0) ? path(values, x, y) : '';
  const first = values.findIndex((n) => n !== null);
  const last = values.findLastIndex((n) => n !== null);
  return (
    <svg class={`spark ${tone}`} width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} preserveAspectRatio="none">
      <defs><linearGradient id={fill} x1="0" x2="0" y1="0" y2="1"><stop offset="0" stop-color="currentColor" stop-opacity="0.18" /><stop offset="1" stop-color="currentColor" stop-opacity="0.02" /></linearGradient></defs>
      <path class="spark-base" d={`M0 ${height - 1.5}H${width}`} />
      {ticks?.map((t) => <path key={t.at} class="spark-tick" d={`M${(1 + t.at * (width - 2)).toFixed(1)} 0V${height}`}><title>{t.title}</title></path>)}
      {line && first < last && <path d={`${line}L${x(last).toFixed(1)} ${height - 2}L${x(first).toFixed(1)} ${height - 2}Z`} fill={`url(#${fill})`} stroke="none" />}
      {second && <path class="spark-second" d={path(second, x, y)} />}
      {line && <path class="spark-line" d={line} />}
    </svg>
  );
}
