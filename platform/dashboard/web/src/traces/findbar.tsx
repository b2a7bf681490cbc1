import type { Ref } from 'preact';
import { Button, Icon } from '../ui';
import { whole } from '../ui/format';
import { grammar } from './find';

interface FindBarProps {
  query: string; count: number; place: number; only: boolean; input: Ref<HTMLInputElement>;
  onQuery: (q: string) => void; onNext: (backwards: boolean) => void; onOnly: (only: boolean) => void; onLeave: () => void;
}

/** Find in trace: the field, how many it found, and the way from one to the next. */
export function FindBar({ query, count, place, only, input, onQuery, onNext, onOnly, onLeave }: FindBarProps) {
  return (
    <div class="findbar" role="search">
      <div class={'findbar-box' + (query && count === 0 ? ' none' : '')}>
        <Icon name="search" size={14} />
        <input ref={input} data-search="" class="findbar-input" type="text" value={query} placeholder="Find in trace" aria-label="Find in trace" autocomplete="off" spellcheck={false}
          title={grammar.map(([word, what]) => word + ': ' + what).join('\n')}
          onInput={(e) => onQuery(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter') { onNext(e.shiftKey); e.preventDefault(); }
            if (e.key === 'Escape') { if (query) onQuery(''); onLeave(); e.stopPropagation(); }
            if (e.key === 'ArrowDown') { onLeave(); e.preventDefault(); }
          }} />
        {query
          ? <span class="findbar-count num" role="status">{count === 0 ? 'none' : (place >= 0 ? whole(place + 1) + ' of ' : '') + whole(count)}</span>
          : <kbd aria-hidden="true">/</kbd>}
      </div>
      {query && <>
        <Button kind="quiet" small label="Previous (Shift+Enter)" disabled={count === 0} onClick={() => onNext(true)}><span class="up"><Icon name="down" size={12} /></span></Button>
        <Button kind="quiet" small label="Next (Enter)" disabled={count === 0} onClick={() => onNext(false)}><Icon name="down" size={12} /></Button>
        <Button small pressed={only} disabled={count === 0} onClick={() => onOnly(!only)} title="Show only what was found and what it is in">Only these</Button>
      </>}
    </div>
  );
}
