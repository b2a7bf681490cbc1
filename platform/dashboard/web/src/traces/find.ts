// Find in trace. The rows are virtual, so the browser's own find sees a screen of them
// only; this one sees every span, its attributes and its events.

export interface Findable {
  id: string; service: string; name: string; kind: string; message?: string; error?: boolean; duration: number;
  attributes: Record<string, unknown>; resource?: Record<string, unknown>;
  events?: { name: string; attributes: Record<string, unknown> }[];
}

type Test = (s: Findable, i: number) => boolean;

/** What is there to be written in the find field, for its help. */
export const grammar = [
  ['text', 'in the name, service, kind, message, attributes and events'],
  ['service:name', 'of that service'],
  ['key=value', 'an attribute of that value'],
  ['>10ms  <1s', 'longer, shorter'],
  ['is:error  is:critical', 'failed; on the critical path'],
  ['-word', 'not so'],
] as const;

const units: Record<string, number> = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, ms: 1, s: 1e3, m: 60e3, h: 3600e3 };

/** Reads a duration as 250ms, 1.5s, 2m; a bare number is milliseconds. */
export function readDuration(text: string): number | undefined {
  const m = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|h)?$/.exec(text.trim());
  return m ? Number(m[1]) * units[m[2] ?? 'ms'] : undefined;
}

/** A trace made ready to be searched. Its texts are made when first asked for: most traces are only looked at. */
export class Finder {
  private texts: string[] | undefined;

  constructor(private readonly spans: readonly Findable[], private readonly critical: (i: number) => boolean) {}

  /** The indices of the spans that every word of the query holds for. */
  find(query: string): Int32Array {
    const tests = words(query).map((w) => this.test(w));
    const found = new Int32Array(this.spans.length);
    let n = 0;
    if (tests.length > 0)
      for (let i = 0; i < this.spans.length; i++) {
        const s = this.spans[i];
        if (tests.every((t) => t(s, i))) found[n++] = i;
      }
    return found.subarray(0, n);
  }

  private test(word: string): Test {
    if (word.length > 1 && word.startsWith('-')) {
      const t = this.test(word.slice(1));
      return (s, i) => !t(s, i);
    }
    if (word.startsWith('service:')) {
      const name = word.slice(8).toLowerCase();
      return (s) => s.service.toLowerCase() === name;
    }
    if (word === 'is:error') return (s) => !!s.error;
    if (word === 'is:critical') return (_, i) => this.critical(i);
    const bound = /^[<>]/.test(word) ? readDuration(word.slice(1)) : undefined;
    if (bound !== undefined) return word[0] === '>' ? (s) => s.duration > bound : (s) => s.duration < bound;
    const at = word.indexOf('=');
    if (at > 0) {
      const key = word.slice(0, at), value = word.slice(at + 1).toLowerCase();
      return (s) => is(s.attributes, key, value) || is(s.resource, key, value);
    }
    const texts = (this.texts ??= this.spans.map(textOf));
    const low = word.toLowerCase();
    return (_, i) => texts[i].includes(low);
  }
}

function is(attributes: Record<string, unknown> | undefined, key: string, value: string): boolean {
  return attributes !== undefined && key in attributes && show(attributes[key]).toLowerCase() === value;
}

function textOf(s: Findable): string {
  let text = s.name + '\n' + s.service + '\n' + s.kind + '\n' + s.id + '\n' + (s.message ?? '');
  for (const k in s.attributes) text += '\n' + k + '=' + show(s.attributes[k]);
  for (const e of s.events ?? []) {
    text += '\n' + e.name;
    for (const k in e.attributes) text += '\n' + k + '=' + show(e.attributes[k]);
  }
  return text.toLowerCase();
}

/** An attribute's value as a text. */
export function show(v: unknown): string {
  return typeof v === 'string' ? v : v === null || typeof v === 'object' ? JSON.stringify(v) : String(v);
}

/** The words of a query; "in quotes" is one. */
export function words(query: string): string[] {
  const list: string[] = [];
  for (const m of query.matchAll(/(-?)([^\s']+=)?'([^']*)'?|(\S+)/g)) {
    const w = m[4] ?? m[1] + (m[2] ?? '') + m[3];
    if (w !== '' && w !== '-') list.push(w);
  }
  return list;
}

/** The match after (or, backwards, before) a span, around the end; -1 where there is none. */
export function next(found: Int32Array, after: number, backwards = false): number {
  if (found.length === 0) return -1;
  if (!backwards) {
    for (const i of found) if (i > after) return i;
    return found[0];
  }
  for (let k = found.length - 1; k >= 0; k--) if (found[k] < after) return found[k];
  return found[found.length - 1];
}
