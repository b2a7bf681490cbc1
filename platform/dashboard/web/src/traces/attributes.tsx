import { Fragment, type ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Attributes } from '../api';
import { Button } from '../ui';
import { show } from './find';

/** A table of attributes by name. `action` is what can be done with one of them. */
export function AttributeTable({ attributes, label, action }: { attributes: Attributes; label: string; action?: (key: string, value: string) => ComponentChildren }) {
  const keys = Object.keys(attributes ?? {}).sort();
  if (keys.length === 0) return <p class="muted attr-none">None.</p>;
  return (
    <table class="attrs" aria-label={label}>
      <tbody>
        {keys.map((k) => (
          <tr key={k}>
            <th scope="row" class="mono">{k.split('.').map((part, i) => <Fragment key={i}>{i > 0 && <>.<wbr /></>}{part}</Fragment>)}</th>
            <td class="mono"><div class="attr-cell"><Value value={attributes[k]} />{action?.(k, show(attributes[k]))}</div></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const much = 600;

// A value may be a megabyte: it is shown in full only when somebody wants it.
function Value({ value }: { value: unknown }) {
  const [all, setAll] = useState(false);
  const text = value !== null && typeof value === 'object' ? JSON.stringify(value, null, 1) : show(value);
  const kind = typeof value === 'number' ? 'num v-number' : typeof value === 'boolean' ? 'v-bool' : '';
  if (text.length <= much || all) return <span class={'attr-value ' + kind}>{text === '' ? <span class="faint">empty</span> : text}</span>;
  return (
    <span class="attr-value">
      {text.slice(0, much)}… <Button small kind="quiet" onClick={() => setAll(true)}>all {text.length.toLocaleString('en-US')} characters</Button>
    </span>
  );
}
