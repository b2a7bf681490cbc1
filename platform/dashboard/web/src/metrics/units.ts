// What the values of a query are measured in, told by the names in it.
import { bytes, count, duration, share } from '../ui/format';

export interface Unit { name: string; format: (n: number) => string; binary?: boolean }

const plain: Unit = { name: '', format: count };
const seconds: Unit = { name: 'time', format: (n) => duration(n * 1000) };
const perSecond = (u: Unit): Unit => ({ ...u, name: u.name + ' a second', format: (n) => u.format(n) + '/s' });
const size: Unit = { name: 'bytes', format: bytes, binary: true };
const cores: Unit = { name: 'processors', format: count };
const ratio: Unit = { name: 'share', format: share };

/** The unit of a query's values; of those that it cannot tell, plain numbers. */
export function unitOf(query: string): Unit {
  const q = query.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""');
  const metrics = q.match(/[a-zA-Z_:][a-zA-Z0-9_:]*(?=\s*[{[])|[a-zA-Z_:][a-zA-Z0-9_:]*_(?:seconds|bytes|ratio|total|count|sum|bucket)\b/g) ?? [q.trim()];
  const m = metrics[metrics.length - 1];
  if (/\bhistogram_(quantile|avg)\s*\(/.test(q)) return /seconds/.test(q) ? seconds : /bytes/.test(q) ? size : plain;
  const rated = /\b(i?rate|deriv|idelta)\s*\(/.test(q);
  if (/\//.test(q)) {
    // A sum by a count is a mean, of what the sum is of; two of a kind make a share.
    if (/_seconds_sum/.test(q) && /_count/.test(q)) return seconds;
    if (/_bytes_sum/.test(q) && /_count/.test(q)) return size;
    return metrics.length > 1 && metrics.every((n) => n === m) ? ratio : plain;
  }
  if (/\*/.test(q) || /\bcount(_values|_over_time)?\s*(by|without)?\s*\(/.test(q)) return plain;
  const base = /_(count|bucket)$/.test(m) ? plain : /_seconds(_sum|_total)?$/.test(m) ? seconds : /_bytes(_sum|_total)?$/.test(m) ? size : /_ratio$/.test(m) ? ratio : plain;
  if (!rated) return base;
  if (base === plain) return { name: 'a second', format: (n) => count(n) + '/s' };
  // Seconds a second, as of CPU time, are a number of processors.
  return base === seconds ? cores : perSecond(base);
}
