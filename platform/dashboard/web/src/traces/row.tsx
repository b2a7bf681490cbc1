import type { Log, Span } from '../api';
import { serviceColor } from '../theme/theme';
import { px } from '../ui/px';
import { below, criticalTime, isCritical, type Layout } from './layout';
import { duration } from '../ui/format';

interface RowProps {
  span: Span; i: number; row: number; layout: Layout; names: number; indent: number; top: number;
  folded: boolean; active: boolean; found: boolean; dim: boolean; logs: readonly Log[] | undefined;
  onActive: (i: number, open: boolean) => void;
  onFold: (i: number, all: boolean) => void;
}

// A row of the treegrid. What the canvas shows beside the name is said in the second cell.
export function Row({ span: s, i, row, layout: l, names, indent, top, folded, active, found, dim, logs, onActive, onFold }: RowProps) {
  const children = below(l, i);
  const parent = l.parent[i];
  const other = parent < 0 || l.service[parent] !== l.service[i];
  const worst = logs?.some((g) => g.severity === 'error' || g.severity === 'fatal') ? ' bad' : '';
  return (
    <div id={'span-' + i} role="row" class={'wf-row' + (active ? ' active' : '') + (found ? ' found' : '') + (dim ? ' dim' : '')}
      style={{ transform: `translateY(${top}px)` }} aria-level={l.depth[i] + 1} aria-rowindex={row + 1} aria-selected={active}
      aria-expanded={children > 0 ? !folded : undefined} onClick={() => onActive(i, true)}>
      <div role="gridcell" class="wf-name" style={{ width: px(names) }} title={s.service + ' · ' + s.name}>
        <span class="wf-guides" style={{ width: px(l.depth[i] * indent), backgroundSize: indent + 'px 100%' }} />
        {children > 0
          ? <button type="button" class={'wf-fold' + (folded ? ' folded' : '')} tabIndex={-1} aria-label={(folded ? 'Open ' : 'Fold ') + s.name}
              onClick={(e) => { e.stopPropagation(); onFold(i, e.shiftKey); }}><i class="wf-arrow" /></button>
          : <span class="wf-leaf" />}
        <i class="wf-color" style={{ background: s.error ? 'var(--bad)' : serviceColor(s.service) }} />
        {s.error && <i class="wf-error" title={s.message || 'failed'}>!</i>}
        {other && <b>{s.service}</b>}
        <span class={other ? 'wf-text after' : 'wf-text'}>{s.name}</span>
        {folded && <span class="wf-count num" title={children + ' spans are folded'}>{children}</span>}
        {logs && <span class={'wf-count wf-logs num' + worst} title={logs.length + ' log records'}>≡ {logs.length}</span>}
      </div>
      <div role="gridcell" class="wf-time" style={{ left: px(names) }} aria-label={words(s, i, l)} />
    </div>
  );
}

function words(s: Span, i: number, l: Layout): string {
  return (s.error ? 'failed, ' : '') + duration(s.duration) + ', own ' + duration(s.own) + ', starts at ' + duration(l.start[i])
    + (isCritical(l, i) ? ', on the critical path for ' + duration(criticalTime(l, i)) : '');
}
