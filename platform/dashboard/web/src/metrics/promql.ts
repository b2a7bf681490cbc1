// What may be written next at a place in a PromQL query. No parser: the queries that
// are being typed are seldom whole. A scan to the cursor tells what the cursor is in.

export const functions: Readonly<Record<string, string>> = {
  abs: 'absolute value', absent: '1 where there is no series', absent_over_time: '1 where a range has no samples',
  avg_over_time: 'mean over a range', ceil: 'round up', changes: 'how often the value changed', clamp: 'bound to min and max',
  clamp_max: 'bound from above', clamp_min: 'bound from below', count_over_time: 'samples in a range', delta: 'difference over a range',
  deriv: 'slope by least squares', double_exponential_smoothing: 'smoothed value of a range', exp: 'e to the power', floor: 'round down',
  histogram_avg: 'mean of native histograms', histogram_count: 'observations of native histograms',
  histogram_fraction: 'share of observations between two values', histogram_quantile: 'quantile of a histogram', histogram_sum: 'sum of native histograms',
  idelta: 'difference of the last two samples', increase: 'growth of a counter over a range', irate: 'rate by the last two samples',
  label_join: 'join labels into one', label_replace: 'set a label by a pattern', last_over_time: 'latest sample of a range', ln: 'natural logarithm',
  log10: 'decimal logarithm', log2: 'binary logarithm', max_over_time: 'greatest of a range', min_over_time: 'least of a range',
  predict_linear: 'extrapolated value', quantile_over_time: 'quantile of a range', rate: 'growth of a counter per second',
  resets: 'how often a counter began anew', round: 'round to a multiple', scalar: 'the one sample as a number', sgn: 'sign', sort: 'by value',
  sort_desc: 'by value, greatest first', sqrt: 'square root', stddev_over_time: 'standard deviation of a range',
  stdvar_over_time: 'variance of a range', sum_over_time: 'sum over a range', time: 'seconds since 1970', timestamp: 'when a sample was taken', vector: 'a number as a vector',
};

export const aggregations: Readonly<Record<string, string>> = {
  avg: 'mean', bottomk: 'the k least', count: 'number of series', count_values: 'series by value', group: '1 for each group', max: 'greatest',
  min: 'least', quantile: 'quantile across series', stddev: 'standard deviation', stdvar: 'variance', sum: 'sum', topk: 'the k greatest',
};

const modifiers: Readonly<Record<string, string>> = {
  and: 'intersection', by: 'keep these labels', group_left: 'many to one', group_right: 'one to many', ignoring: 'match on all labels but these',
  offset: 'look back', on: 'match on these labels', or: 'union', unless: 'complement', without: 'drop these labels',
};

const spans = ['1m', '5m', '15m', '1h', '6h', '1d'];

/** What the cursor is in. `from` is where the word that a suggestion replaces begins. */
export type Place =
  | { kind: 'name'; word: string; from: number }
  | { kind: 'label'; word: string; from: number; metric: string }
  | { kind: 'value'; word: string; from: number; metric: string; label: string; quote: string }
  | { kind: 'span'; word: string; from: number }
  | { kind: 'none' };

const wordStart = /[A-Za-z_:]/, wordPart = /[A-Za-z0-9_:.]/;

/** Tells what a cursor is in. */
export function placeAt(query: string, cursor: number): Place {
  const open: { bracket: string; metric: string; by: boolean }[] = [];
  let metric = '', lastWord = '', label = '';
  let i = 0;
  while (i < cursor) {
    const c = query[i];
    if (c === '#') {
      const end = query.indexOf('\n', i);
      if (end < 0 || end >= cursor) return { kind: 'none' };
      i = end;
    } else if (c === '"' || c === "'" || c === "`") {
      const end = endOfText(query, i);
      if (end >= cursor || query[end - 1] !== c || end - i < 2) {
        const within = open[open.length - 1];
        return within?.bracket === '{' && label !== ''
          ? { kind: 'value', word: query.slice(i + 1, cursor), from: i + 1, metric: within.metric, label, quote: c }
          : { kind: 'none' };
      }
      i = end;
      continue;
    } else if (wordStart.test(c) || /[0-9]/.test(c)) {
      let end = i + 1;
      while (end < query.length && wordPart.test(query[end])) end++;
      const word = query.slice(i, end);
      if (end >= cursor) return inWord(query.slice(i, cursor), i, open);
      lastWord = word;
      if (open[open.length - 1]?.bracket === '{') label = word; else metric = word;
      i = end;
      continue;
    } else if (c === '{' || c === '(' || c === '[') {
      const by = /^(by|without|on|ignoring|group_left|group_right)$/.test(lastWord);
      open.push({ bracket: c, metric: c === '{' ? metric : '', by: c === '(' && by });
      label = '';
    } else if (c === '}' || c === ')' || c === ']') {
      open.pop();
      metric = '';
    } else if (c === ',') label = '';
    if (!/\s/.test(c)) lastWord = '';
    if (!/[\s]/.test(c) && c !== '{') metric = '';
    i++;
  }
  return inWord('', cursor, open);
}

function inWord(word: string, from: number, open: { bracket: string; metric: string; by: boolean }[]): Place {
  const within = open[open.length - 1];
  if (within?.bracket === '[') return { kind: 'span', word, from };
  if (within?.bracket === '{') return { kind: 'label', word, from, metric: within.metric };
  if (within?.by) return { kind: 'label', word, from, metric: '' };
  return /^[0-9]/.test(word) ? { kind: 'none' } : { kind: 'name', word, from };
}

function endOfText(query: string, start: number): number {
  const quote = query[start];
  for (let i = start + 1; i < query.length; i++) {
    if (query[i] === '\\' && quote !== '`') i++;
    else if (query[i] === quote) return i + 1;
  }
  return query.length + 1;
}

/** A thing that could be written. */
export interface Suggestion { text: string; insert: string; detail: string; kind: 'metric' | 'function' | 'label' | 'value' | 'word' }

export interface Metric { name: string; type?: string; help?: string }

/** Metrics, functions and words that begin with, or contain, what was typed: the best first. */
export function suggestNames(word: string, metrics: readonly Metric[]): Suggestion[] {
  const all: Suggestion[] = [];
  for (const m of metrics) all.push({ text: m.name, insert: m.name, detail: [m.type, m.help].filter(Boolean).join(' · '), kind: 'metric' });
  for (const [name, detail] of Object.entries(aggregations)) all.push({ text: name, insert: name + '(', detail, kind: 'function' });
  for (const [name, detail] of Object.entries(functions)) all.push({ text: name, insert: name + '(', detail, kind: 'function' });
  for (const [name, detail] of Object.entries(modifiers)) all.push({ text: name, insert: name + ' ', detail, kind: 'word' });
  return best(word, all);
}

export function suggestLabels(word: string, labels: readonly string[], matcher: boolean): Suggestion[] {
  return best(word, labels.filter((l) => l !== '__name__').map((l) => ({ text: l, insert: matcher ? l + '="' : l, detail: '', kind: 'label' as const })));
}

export function suggestValues(word: string, values: readonly string[], quote: string): Suggestion[] {
  return best(word, values.map((v) => ({ text: v, insert: (quote === "`" ? v : v.replace(/[\\"']/g, "\\$&")) + quote, detail: '', kind: 'value' as const })));
}

export function suggestSpans(word: string): Suggestion[] {
  return best(word, spans.map((s) => ({ text: s, insert: s + ']', detail: '', kind: 'word' as const })));
}

/** Orders what fits a word: beginning with it, then at the start of one of its parts, then anywhere. */
export function best(word: string, all: readonly Suggestion[], most = 50): Suggestion[] {
  const low = word.toLowerCase();
  const rank = (s: Suggestion) => {
    const at = s.text.toLowerCase().indexOf(low);
    return at < 0 ? -1 : at === 0 ? 0 : /[_:.\- /]/.test(s.text[at - 1]) ? 1 : 2;
  };
  const by: Suggestion[][] = [[], [], []];
  for (const s of all) {
    const r = rank(s);
    if (r >= 0 && s.text !== word) by[r].push(s);
  }
  return by.flat().slice(0, most);
}
