// A field for a PromQL query: coloured, completed, and checked as it is typed.
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../ui';
import { tokens } from './color';
import { check } from './prometheus';
import { suggest, type Known } from './complete';
import type { Suggestion } from './promql';
import { faultOf, offsetOf } from './range';

interface EditorProps {
  value: string; label: string; known: Known; error: string | undefined; search?: boolean;
  onRun: (query: string) => void; onChange?: (query: string) => void;
}

export function Editor({ value, label, known, error, search, onRun, onChange }: EditorProps) {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(value);
  const [fault, setFault] = useState(''); // of what is being typed
  const [list, setList] = useState<{ items: Suggestion[]; from: number; at: number } | undefined>();
  const turn = useRef(0);

  useEffect(() => {
    setText(value);
    setFault('');
  }, [value]);
  useLayoutEffect(() => {
    const el = field.current!;
    el.style.height = '32px';
    el.style.height = el.scrollHeight + 'px';
  }, [text]);
  useEffect(() => {
    if (text === value || text.trim() === '') return setFault('');
    const stop = new AbortController();
    const timer = setTimeout(() => void check(text, stop.signal).then((f) => { if (!stop.signal.aborted) setFault(f); }, () => undefined), 350);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [text, value]);

  const complete = async (query: string, cursor: number) => {
    const mine = ++turn.current;
    const s = await suggest(query, cursor, known);
    if (mine !== turn.current) return;
    setList(s && s.items.length > 0 ? { ...s, at: 0 } : undefined);
  };
  const close = () => {
    turn.current++;
    setList(undefined);
  };
  const accept = (s: Suggestion) => {
    const el = field.current!;
    const text = el.value;
    const from = list!.from, cursor = el.selectionStart;
    const rest = text.slice(cursor);
    // What is there already is not written twice.
    const last = s.insert[s.insert.length - 1];
    const insert = /[("\]'`]/.test(last) && rest.startsWith(last) ? s.insert.slice(0, -1) : s.insert;
    const next = text.slice(0, from) + insert + rest;
    setText(next);
    onChange?.(next);
    const at = from + s.insert.length;
    close();
    // At once, not with the next drawing: the next key may come before it.
    el.value = next;
    el.focus();
    el.setSelectionRange(at, at);
    if (s.insert.endsWith('"') && s.kind === 'label') void complete(next, at);
  };
  const input = (e: { currentTarget: HTMLTextAreaElement }) => {
    const el = e.currentTarget;
    setText(el.value);
    onChange?.(el.value);
    void complete(el.value, el.selectionStart);
  };
  const key = (e: KeyboardEvent) => {
    if (list) {
      if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
        const n = list.items.length;
        setList({ ...list, at: (list.at + (e.key === 'ArrowDown' ? 1 : n - 1)) % n });
      } else if (e.key === 'Tab' || (e.key === 'Enter' && !e.shiftKey && !e.ctrlKey && !e.metaKey)) accept(list.items[list.at]);
      else if (e.key === 'Escape') close();
      else return;
      e.preventDefault();
      e.stopPropagation();
      return;
    }
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      onRun(text.trim());
    } else if (e.key === ' ' && e.ctrlKey) {
      e.preventDefault();
      void complete(text, field.current!.selectionStart);
    } else if (e.key === 'Escape') field.current!.blur();
  };

  const said = fault || (text === value ? error ?? '' : '');
  const at = said ? faultOf(said) : undefined;
  const wrong = at ? offsetOf(text, at.line, at.column) : -1;
  const column = list ? list.from - (text.lastIndexOf('\n', list.from - 1) + 1) : 0;
  return (
    <div class={'promql' + (said ? ' wrong' : '')}>
      <div class="promql-box mono">
        <pre class="promql-colors" aria-hidden="true">{paint(text, wrong)}{'\n'}</pre>
        <textarea ref={field} class="mono" rows={1} value={text} spellcheck={false} autocomplete="off" autocapitalize="off" placeholder="A PromQL query, or the name of a metric"
          data-search={search ? '' : undefined} aria-label={label} aria-autocomplete="list" aria-controls={id + '-list'}
          aria-activedescendant={list ? `${id}-${list.at}` : undefined} aria-invalid={said ? true : undefined} aria-describedby={said ? id + '-error' : undefined}
          onInput={input} onKeyDown={key} onBlur={() => setTimeout(close, 150)} onClick={close} />
        <ul id={id + '-list'} class="promql-list" role="listbox" aria-label="Suggestions" hidden={!list} style={{ left: `min(${column}ch, 100% - min(420px, 100%))` }}>
          {list?.items.map((s, i) => (
            <li key={s.kind + s.text} id={`${id}-${i}`} role="option" aria-selected={i === list.at} class={'kind-' + s.kind}
              ref={i === list.at ? (el) => el?.scrollIntoView({ block: 'nearest' }) : undefined}
              onMouseDown={(e) => { e.preventDefault(); accept(s); }}>
              <i aria-hidden="true">{s.kind[0]}</i><span class="promql-item">{s.text}</span><span class="promql-detail cut">{s.detail}</span>
            </li>
          ))}
        </ul>
      </div>
      {said && (
        <p class="promql-error" id={id + '-error'} role="alert">
          <Icon name="alert" size={14} />
          <span>{at ? <><b class="num">{at.line > 1 ? `Line ${at.line}, ` : ''}Column {at.column}:</b> {at.message}</> : said}</span>
        </p>
      )}
    </div>
  );
}

// paint colours a query and underlines from where it is wrong to the end of the word.
function paint(text: string, wrong: number) {
  const parts = [];
  let at = 0;
  const end = wrong < 0 ? -1 : wrong + Math.max(1, /^[\w:.]+/.exec(text.slice(wrong))?.[0].length ?? 1);
  for (const t of tokens(text)) {
    const until = at + t.text.length;
    const cuts = [at, Math.max(at, Math.min(until, wrong)), Math.max(at, Math.min(until, end)), until];
    for (let k = 0; k < 3; k++) if (cuts[k + 1] > cuts[k] || (k === 0 && until === at)) parts.push(<span key={parts.length} class={'q-' + t.kind + (k === 1 && wrong >= 0 ? ' q-wrong' : '')}>{text.slice(cuts[k], cuts[k + 1])}</span>);
    at = until;
  }
  if (wrong >= at) parts.push(<span key="end" class="q-wrong"> </span>);
  return parts;
}
