import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useKeys } from '../app/keys';
import { Icon } from './icons';
import { px } from './px';

export interface Column<T> {
  key: string; head: string; cell: (row: T) => ComponentChildren; sort?: (row: T) => number | string;
  num?: boolean; // aligned right, digits in columns
  width?: string; // CSS; without one the column takes what is left
  from?: number; // only where the table is at least so many px wide: 480, 640, 800, 960, 1200
  hideHead?: boolean;
}

export interface TableProps<T> {
  label: string; columns: Column<T>[]; rows: T[]; rowKey: (row: T) => string; onOpen?: (row: T) => void;
  href?: (row: T) => string; // where a row leads: its first cell becomes the link
  selected?: string; sortBy?: string; descending?: boolean; keys?: boolean; tone?: (row: T) => 'bad' | 'warn' | undefined; height?: number;
  first?: string; // width of the first column where the table is narrow
}

const overscan = 12;
const many = 150; // rows from which only those in sight are drawn

// Table shows rows of one height. j and k move, Enter opens. Of many rows only those in
// sight are in the document; aria-rowcount tells how many there are.
export function Table<T>({ label, columns, rows, rowKey, onOpen, href, selected, sortBy, descending, keys = true, tone, height = 36, first = '42%' }: TableProps<T>) {
  const [order, setOrder] = useState<{ key: string; down: boolean } | null>(sortBy ? { key: sortBy, down: descending ?? false } : null);
  const body = useRef<HTMLTableSectionElement>(null);
  const [at, draw] = useState(-1);
  const where = useRef(-1); // ahead of at, when keys come faster than drawings
  const setAt = (n: number) => { where.current = n; draw(n); };
  const [seen, setSeen] = useState({ from: 0, until: 60 });
  const sorted = useMemo(() => {
    const by = columns.find((c) => c.key === order?.key)?.sort;
    if (!by) return rows;
    return [...rows].sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      const c = typeof x === 'string' ? x.localeCompare(String(y)) : x - (y as number);
      return order?.down ? -c : c;
    });
  }, [rows, order, columns]);
  const windowed = sorted.length > many;

  useEffect(() => {
    if (!windowed) return;
    const look = () => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const from = Math.max(0, Math.floor(-top / height) - overscan);
      const until = from + Math.ceil(innerHeight / height) + 2 * overscan;
      setSeen((s) => (Math.abs(s.from - from) < overscan / 2 && s.until === until ? s : { from, until }));
    };
    look();
    addEventListener('scroll', look, { passive: true, capture: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look, { capture: true });
      removeEventListener('resize', look);
    };
  }, [windowed, height]);

  const open = (row: T, link?: HTMLElement | null) => {
    if (onOpen) onOpen(row);
    else if (link) link.click();
  };
  const move = (by: number) => {
    const next = Math.min(Math.max(where.current + by, 0), sorted.length - 1);
    setAt(next);
    const top = (body.current?.getBoundingClientRect().top ?? 0) + next * height;
    if (top < 96) scrollBy(0, top - 96);
    else if (top > innerHeight - 80) scrollBy(0, top - innerHeight + 80);
    focus();
  };
  // At once, so that Enter right after j means the row that j led to; after drawing, for
  // a row that was out of sight.
  const focus = () => {
    const focused = document.activeElement;
    if (where.current >= 0 && (focused === document.body || body.current?.contains(focused))) body.current?.querySelector<HTMLElement>(`[data-row="${where.current}"]`)?.focus({ preventScroll: true });
  };
  useEffect(focus, [at]);
  useKeys(keys ? { j: () => move(1), k: () => move(-1) } : {}, [keys, sorted.length, height]);

  // The gaps are one cell: columns that a narrow table hides must not come back by them.
  const from = windowed ? Math.min(seen.from, sorted.length) : 0;
  const until = windowed ? Math.min(seen.until, sorted.length) : sorted.length;
  const opens = !!(onOpen || href);
  return (
    <div class="table-box">
      <table class={`table${opens ? ' opens' : ''}`} style={{ '--row': px(height), '--first': first }} aria-label={label} aria-rowcount={windowed ? sorted.length + 1 : undefined}>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.key} scope="col" style={c.width ? { width: c.width } : undefined} class={`${c.num ? 'right' : ''}${c.from ? ` from-${c.from}` : ''}`} aria-sort={order?.key === c.key ? (order.down ? 'descending' : 'ascending') : undefined}>
                {c.sort ? (
                  <button type="button" class="sort" onClick={() => setOrder((o) => ({ key: c.key, down: o?.key === c.key ? !o.down : !!c.num }))}>
                    {c.head}<span class={`sort-mark${order?.key === c.key ? ' on' : ''}${order?.key === c.key && !order.down ? ' up' : ''}`} aria-hidden="true"><Icon name="down" size={10} /></span>
                  </button>
                ) : c.hideHead ? <span class="only-read">{c.head}</span> : c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {from > 0 && <tr aria-hidden="true" class="gap"><td style={{ height: px(from * height) }} /></tr>}
          {sorted.slice(from, until).map((row, i) => {
            const n = from + i;
            const key = rowKey(row);
            return (
              <tr key={key} data-row={n} tabIndex={opens ? (n === Math.max(at, 0) ? 0 : -1) : undefined} class={`${tone?.(row) ? `row-${tone(row)}` : ''}${selected === key ? ' selected' : ''}`} aria-rowindex={windowed ? n + 2 : undefined} aria-selected={selected === key ? true : undefined}
                onFocus={() => setAt(n)}
                onClick={opens ? (e) => {
                  if ((e.target as Element).closest('a,button,input') || getSelection()?.toString()) return;
                  open(row, e.currentTarget.querySelector<HTMLElement>('a.row-link'));
                } : undefined}
                onKeyDown={opens ? (e) => {
                  if (e.target !== e.currentTarget) return;
                  if (e.key === 'Enter') open(row, e.currentTarget.querySelector<HTMLElement>('a.row-link'));
                  if (e.key === 'ArrowDown' || e.key === 'ArrowUp') { e.preventDefault(); move(e.key === 'ArrowDown' ? 1 : -1); }
                } : undefined}>
                {columns.map((c, j) => (
                  <td key={c.key} class={`${c.num ? 'right num' : ''}${c.from ? ` from-${c.from}` : ''}`}>
                    {j === 0 && href ? <a class="row-link" tabIndex={-1} href={href(row)}>{c.cell(row)}</a> : c.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {until < sorted.length && <tr aria-hidden="true" class="gap"><td style={{ height: px((sorted.length - until) * height) }} /></tr>}
        </tbody>
      </table>
    </div>
  );
}
