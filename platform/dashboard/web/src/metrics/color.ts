// The parts of a query, for its colours.
import { aggregations, functions } from './promql';

export type Kind = 'text' | 'number' | 'function' | 'word' | 'name' | 'label' | 'comment' | '';

/** Cuts a query into parts; together they are the query. */
export function tokens(query: string): { text: string; kind: Kind }[] {
  const list: { text: string; kind: Kind }[] = [];
  const pattern = /(#[^\n]*)|("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|`[^`]*`?)|([a-zA-Z_:][a-zA-Z0-9_:.]*)|(\d[\w.]*)|([\s\S])/g;
  let braces = 0, by = false;
  for (const m of query.matchAll(pattern)) {
    const text = m[0];
    let kind: Kind = '';
    if (m[1]) kind = 'comment';
    else if (m[2]) kind = 'text';
    else if (m[4]) kind = 'number';
    else if (m[3]) {
      if (braces > 0 || by) kind = 'label';
      else if (text in aggregations || (text in functions && /^\s*\(/.test(query.slice(m.index + text.length)))) kind = 'function';
      else kind = /^(by|without|on|ignoring|group_left|group_right|and|or|unless|offset|bool|atan2)$/.test(text) ? 'word' : 'name';
    } else if (text === '{') braces++;
    else if (text === '}') braces = Math.max(0, braces - 1);
    else if (text === '(') by = list.findLast((t) => t.text.trim() !== '')?.kind === 'word';
    else if (text === ')') by = false;
    const last = list[list.length - 1];
    if (kind === '' && last?.kind === '') last.text += text; else list.push({ text, kind });
  }
  return list;
}
