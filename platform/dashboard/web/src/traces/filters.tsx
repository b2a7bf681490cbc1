import { useEffect, useRef, useState } from 'preact/hooks';
import type { ServiceNames } from '../api';
import { list } from '../api';
import { go, setParams } from '../app/router';
import { Button, Field, Icon, Select, Toggle, Toolbar } from '../ui';
import { boundFault, type Filter } from './filter';

/** The filters above the list of traces. */
export function Filters({ filter: f, services, onClear }: { filter: Filter; services: ServiceNames[]; onClear: (() => void) | undefined }) {
  const [text, setText] = useState('');
  const [fault, setFault] = useState('');
  const names = services.map((s) => s.name);
  if (f.service && !names.includes(f.service)) names.push(f.service);
  const operations = list(services.find((s) => s.name === f.service)?.operations);

  // One field for what is known of a trace: its id, or an attribute.
  const search = () => {
    const t = text.trim();
    if (t === '') return;
    if (/^[0-9a-f]{16,32}$/i.test(t)) go('/traces/' + t.toLowerCase().padStart(32, '0'));
    else if (t.indexOf('=') > 0) {
      setParams({ attr: [...f.attributes, t.replace(/\s*=\s*/, '=')] });
      setText('');
    } else setFault('Write a trace id, or an attribute as order.id=42.');
  };
  return (
    <>
      <Toolbar>
        <Select label="Service" hideLabel value={f.service} options={[{ value: '', label: 'All services' }, ...names]}
          onChange={(v) => setParams({ service: v || null, operation: null, box: null })} />
        <Late label="Operation" value={f.operation} width="220px" list={operations} onValue={(v) => setParams({ operation: v || null, box: null }, true)} />
        <Late label="Min" value={f.min} width="84px" fault={boundFault} onValue={(v) => setParams({ min: v || null, box: null }, true)} />
        <Late label="Max" value={f.max} width="84px" fault={boundFault} onValue={(v) => setParams({ max: v || null, box: null }, true)} />
        <Toggle label="Errors" on={f.error} onChange={(on) => setParams({ error: on ? 'true' : null, box: null })} />
        <div class="grow">
          <Field label="Trace id or attribute" hideLabel search icon="search" placeholder="Trace id or key=value" mono
            value={text} error={fault} onInput={(v) => { setText(v); setFault(''); }} onEnter={search} />
        </div>
        {onClear && <Button kind="quiet" icon="close" onClick={onClear}>Clear</Button>}
      </Toolbar>
      {f.attributes.length > 0 && (
        <ul class="chips" aria-label="Attributes">
          {f.attributes.map((a) => (
            <li key={a} class="chip mono">
              <span class="cut">{a}</span>
              <button type="button" aria-label={'Without ' + a} onClick={() => setParams({ attr: f.attributes.filter((o) => o !== a), box: null })}><Icon name="close" size={12} /></button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

interface LateProps { label: string; value: string; width: string; list?: string[]; fault?: (v: string) => string; onValue: (v: string) => void }

// Late is a field whose value counts a moment after the last key, if it is right.
function Late({ label, value, width, list: names, fault, onValue }: LateProps) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const wrong = fault?.(text.trim()) ?? '';
  const tell = (v: string) => { if (v.trim() !== value && !fault?.(v.trim())) onValue(v.trim()); };
  return (
    <Field label={label} hideLabel placeholder={label} value={text} width={width} list={names} error={wrong}
      onInput={(v) => {
        setText(v);
        clearTimeout(timer.current);
        timer.current = window.setTimeout(() => tell(v), 350);
      }}
      onEnter={() => { clearTimeout(timer.current); tell(text); }} />
  );
}
