// The part of a trace's time that the waterfall shows.

export interface View { from: number; until: number } // ms after the trace's start

/** Keeps a view within the whole, and wide enough to be seen. */
export function fit(v: View, whole: View): View {
  const all = whole.until - whole.from;
  const width = Math.min(all, Math.max(v.until - v.from, all * 1e-6, 1e-6));
  const from = Math.min(Math.max(v.from, whole.from), whole.until - width);
  return { from, until: from + width };
}

/** Zooms by a factor below 1 (nearer) or above; the moment `at` stays where it is. */
export function zoom(v: View, whole: View, factor: number, at = (v.from + v.until) / 2): View {
  return fit({ from: at - (at - v.from) * factor, until: at + (v.until - at) * factor }, whole);
}

/** Moves by a share of what is shown. */
export function pan(v: View, whole: View, share: number): View {
  const by = (v.until - v.from) * share;
  return fit({ from: v.from + by, until: v.until + by }, whole);
}

/** A view in which a span is seen with some air around it, or the same one when it is. */
export function show(v: View, whole: View, start: number, end: number): View {
  if (start >= v.from && start <= v.until && (end <= v.until || start < v.from + (v.until - v.from) / 2)) return v;
  const air = Math.max(end - start, (v.until - v.from) / 4);
  const width = Math.max(v.until - v.from, (end - start) * 1.2);
  return fit({ from: start - air * 0.1, until: start - air * 0.1 + width }, whole);
}
