// The lines, the newest at the bottom, as a terminal has them. A screen of them is there
// at any time.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { now } from '../api';
import { onScreen } from '../traces/layout';
import { show } from '../traces/find';
import { px } from '../ui/px';
import { Button, serviceColor, useTheme } from '../ui';
import { clock, moment, whole } from '../ui/format';
import { parts } from './highlight';
import type { Line, Tail } from './tail';

interface LogListProps {
  tail: Tail; search: string; active: number; followed: boolean; paused: boolean; live: boolean;
  onFollowed: (f: boolean) => void; onOpen: (l: Line) => void; onStep: (by: number) => void; onEnter: () => void;
}

const over = 20;
const narrow = matchMedia('(max-width: 700px)');

export function LogList({ tail: t, search, active, followed, paused, live, onFollowed, onOpen, onStep, onEnter }: LogListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [part, setPart] = useState({ first: 0, end: 60 });
  const [row, setRow] = useState(narrow.matches ? 42 : 23);
  const [busy, setBusy] = useState(false);
  const gone = useRef(t.ring.gone);
  const top = useRef(0); // where the list was scrolled to
  const theme = useTheme();
  const size = t.ring.size;

  useEffect(() => {
    const l = () => setRow(narrow.matches ? 42 : 23);
    narrow.addEventListener('change', l);
    return () => narrow.removeEventListener('change', l);
  }, []);

  const place = useCallback(() => {
    const el = box.current;
    if (!el) return;
    const p = onScreen(el.scrollTop, el.clientHeight, row, size, over);
    setPart((old) => (old.first === p.first && old.end === p.end ? old : p));
  }, [size, row]);

  // On every drawing, new lines or not: the newest stay in sight where they were, else what is read stays in place.
  useLayoutEffect(() => {
    const el = box.current!;
    const left = t.ring.gone - gone.current;
    gone.current = t.ring.gone;
    if (followed) {
      if (el.scrollTop + el.clientHeight < el.scrollHeight) el.scrollTop = el.scrollHeight;
    } else if (left > 0) top.current = el.scrollTop -= left * row;
    place();
  });
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (followed && box.current) box.current.scrollTop = box.current.scrollHeight;
      place();
    });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, [place, followed]);

  const scroll = () => {
    const el = box.current;
    if (!el) return; // a last event of a list that is gone
    const end = el.scrollHeight - el.scrollTop - el.clientHeight < row;
    // Only who goes up stops following: more lines may have come since this event began.
    if (end) onFollowed(true);
    else if (el.scrollTop < top.current - 1) onFollowed(false);
    top.current = el.scrollTop;
    place();
  };
  useEffect(() => {
    const el = box.current!;
    let at = -1;
    for (let i = 0; i < t.ring.size; i++) if (t.ring.at(i).key === active) { at = i; break; }
    if (at < 0) return;
    if (at * row < el.scrollTop) el.scrollTop = at * row - row;
    else if ((at + 2) * row > el.scrollTop + el.clientHeight) el.scrollTop = (at + 2) * row - el.clientHeight;
  }, [active]);

  const older = async () => {
    setBusy(true);
    try {
      const n = await t.older();
      box.current!.scrollTop += n * row;
    } catch { /* the button stays */ }
    setBusy(false);
  };
  const key = (e: KeyboardEvent) => {
    const page = Math.floor((box.current!.clientHeight / row) * 0.9);
    const by: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -size, End: size };
    if (e.ctrlKey || e.metaKey || e.altKey || e.target !== box.current) return;
    if (by[e.key]) onStep(by[e.key]);
    else if (e.key === 'Enter') onEnter();
    else return;
    e.preventDefault();
    e.stopPropagation();
  };

  const first = Math.min(part.first, size), end = Math.min(part.end, size);
  const today = now();
  const list = [];
  for (let i = first; i < end; i++) {
    const l = t.ring.at(i);
    list.push(l.lost
      ? <div key={l.key} role="row" class="log-row log-lost" style={{ top: px(i * row), height: px(row) }}><span role="gridcell">{whole(l.lost)} records lost here: they came faster than they could be sent. They are in the store.</span></div>
      : (
        <div key={l.key} id={'log-' + l.key} role="row" aria-rowindex={i + 1} aria-selected={l.key === active} class={'log-row sev-' + (l.severity || 'none') + (l.key === active ? ' active' : '')}
          style={{ top: px(i * row), height: px(row) }} onClick={() => onOpen(l)}>
          <span role="gridcell" class="log-time num">{narrow.matches || sameDay(l.time, today) ? clock(l.time, true) : moment(l.time, today)}</span>
          <span role="gridcell" class="log-sev sev">{l.severity || '·'}</span>
          <span role="gridcell" class="log-service cut" style={{ color: serviceColor(l.service, theme) }}>{l.service}</span>
          <span role="gridcell" class="log-text">
            {parts(l.body.length > 1000 ? l.body.slice(0, 1000) : l.body, search).map((p, k) => (k % 2 ? <mark key={k}>{p}</mark> : p))}
            <span class="log-attrs">{brief(l)}</span>
          </span>
        </div>
      ));
  }
  return (
    <div class="logs-main">
      {(t.more || t.ring.gone > 0) && (
        <div class="logs-older">
          {t.ring.gone > 0 ? <span class="muted num">{whole(t.ring.gone)} older ones were let go from this page; they are in the store.</span>
            : <Button small onClick={() => void older()} disabled={busy}>{busy ? 'Loading…' : 'Load older'}</Button>}
        </div>
      )}
      <div class="logs-list mono" ref={box} role="grid" aria-label="Log records" aria-rowcount={size} aria-colcount={4} tabIndex={0}
        aria-activedescendant={active >= 0 ? 'log-' + active : undefined} onScroll={scroll} onKeyDown={key}>
        <div class="logs-space" role="rowgroup" style={{ height: px(size * row) }}>{list}</div>
      </div>
      {live && !followed && !paused && <button type="button" class="logs-jump" onClick={() => onFollowed(true)}>Newest ↓</button>}
    </div>
  );
}

function sameDay(a: number, b: number): boolean { return new Date(a).toDateString() === new Date(b).toDateString(); }

// brief is what fits behind the text: attributes in a few words.
function brief(l: Line): string {
  let text = '';
  for (const k in l.attributes) {
    text += ' ' + k + '=' + show(l.attributes[k]);
    if (text.length > 240) break;
  }
  return text.slice(0, 240);
}
