// Completion with what the server knows: metrics at once, labels and values when asked.
import { names } from './prometheus';
import { placeAt, suggestLabels, suggestNames, suggestSpans, suggestValues, type Metric, type Suggestion } from './promql';

/** What is known of the metrics; labels and values are remembered once asked for. */
export class Known {
  private readonly asked = new Map<string, Promise<string[]>>();

  constructor(readonly metrics: readonly Metric[]) {}

  labels(metric: string): Promise<string[]> {
    return this.once('/api/v1/labels', metric);
  }

  values(label: string, metric: string): Promise<string[]> {
    return this.once('/api/v1/label/' + encodeURIComponent(label) + '/values', metric);
  }

  private once(path: string, metric: string): Promise<string[]> {
    const key = path + '\0' + metric;
    let p = this.asked.get(key);
    if (!p) {
      p = names(path, { 'match[]': metric ? [metric] : undefined }).catch(() => {
        this.asked.delete(key); // the next key press asks again
        return [];
      });
      this.asked.set(key, p);
    }
    return p;
  }
}

/** What may be written at a cursor; undefined where nothing is suggested. */
export async function suggest(query: string, cursor: number, known: Known): Promise<{ items: Suggestion[]; from: number } | undefined> {
  const p = placeAt(query, cursor);
  switch (p.kind) {
    case 'name': return p.word === '' ? undefined : { items: suggestNames(p.word, known.metrics), from: p.from };
    case 'label': return { items: suggestLabels(p.word, await known.labels(p.metric), query[cursor] !== '=' && insideBraces(query, p.from)), from: p.from };
    case 'value': return { items: suggestValues(p.word, await known.values(p.label, p.metric), p.quote), from: p.from };
    case 'span': return { items: suggestSpans(p.word), from: p.from };
    case 'none': return undefined;
  }
}

function insideBraces(query: string, at: number): boolean {
  return query.lastIndexOf('{', at) > query.lastIndexOf('}', at - 1) && query.lastIndexOf('{', at) >= 0;
}
