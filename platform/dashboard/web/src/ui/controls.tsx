import type { ComponentChildren, JSX, Ref } from 'preact';
import { useId } from 'preact/hooks';
import { Icon, type IconName } from './icons';
import { px } from './px';

export interface ButtonProps {
  children?: ComponentChildren; onClick?: (e: MouseEvent) => void; kind?: 'plain' | 'main' | 'danger' | 'quiet'; icon?: IconName;
  disabled?: boolean; title?: string; label?: string; pressed?: boolean; type?: 'button' | 'submit'; small?: boolean;
}

// Button with an icon and no children needs a label: it is read out and shown on hover.
export function Button({ children, onClick, kind = 'plain', icon, disabled, title, label, pressed, type = 'button', small }: ButtonProps) {
  return (
    <button type={type} class={`button ${kind}${children ? '' : ' square'}${small ? ' small' : ''}`} onClick={onClick} disabled={disabled} title={title ?? label} aria-label={label} aria-pressed={pressed}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export interface FieldProps {
  label: string; value: string; onInput: (v: string) => void; onEnter?: () => void; placeholder?: string; icon?: IconName; hideLabel?: boolean;
  search?: boolean; mono?: boolean; list?: string[]; inputRef?: Ref<HTMLInputElement>; width?: number | string; error?: string; required?: boolean;
}

// Field is a line of text. search: "/" puts the cursor there. list: what is suggested.
export function Field({ label, value, onInput, onEnter, placeholder, icon, hideLabel, search, mono, list, inputRef, width, error, required }: FieldProps) {
  const id = useId();
  return (
    <div class="field" style={width ? { width: typeof width === 'number' ? px(width) : width } : undefined}>
      <label for={id} class={hideLabel ? 'only-read' : undefined}>{label}</label>
      <span class="box">
        {icon && <Icon name={icon} />}
        <input id={id} ref={inputRef} type={search ? 'search' : 'text'} class={mono ? 'mono' : undefined} value={value} placeholder={placeholder} autocomplete="off" spellcheck={false}
          data-search={search ? '' : undefined} list={list ? `${id}-list` : undefined} aria-invalid={error ? true : undefined} aria-describedby={error ? `${id}-error` : undefined} required={required}
          onInput={(e) => onInput(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter') onEnter?.();
            if (e.key === 'Escape') e.currentTarget.blur();
          }} />
        {search && !value && <kbd aria-hidden="true">/</kbd>}
      </span>
      {error && <span class="field-error" id={`${id}-error`}>{error}</span>}
      {list && <datalist id={`${id}-list`}>{list.map((o) => <option key={o} value={o} />)}</datalist>}
    </div>
  );
}

export interface SelectProps { label: string; value: string; onChange: (v: string) => void; options: (string | { value: string; label: string })[]; hideLabel?: boolean }

export function Select({ label, value, onChange, options, hideLabel }: SelectProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id} class={hideLabel ? 'only-read' : undefined}>{label}</label>
      <span class="box select">
        <select id={id} value={value} onChange={(e) => onChange(e.currentTarget.value)}>
          {options.map((o) => {
            const { value: v, label: l } = typeof o === 'string' ? { value: o, label: o } : o;
            return <option key={v} value={v}>{l}</option>;
          })}
        </select>
        <Icon name="down" size={12} />
      </span>
    </div>
  );
}

export interface SegmentedProps { label: string; value: string; onChange: (v: string) => void; options: { value: string; label: ComponentChildren; title?: string }[] }

// Segmented offers few choices of which one holds.
export function Segmented({ label, value, onChange, options }: SegmentedProps) {
  return (
    <div class="segmented" role="group" aria-label={label}>
      {options.map((o) => (
        <button key={o.value} type="button" aria-pressed={o.value === value} title={o.title} onClick={() => onChange(o.value)}>{o.label}</button>
      ))}
    </div>
  );
}

export function Toggle({ label, on, onChange }: { label: ComponentChildren; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <button type="button" class="button toggle" aria-pressed={on} onClick={() => onChange(!on)}>
      <span class="tick" aria-hidden="true">{on && <Icon name="check" size={10} />}</span>
      {label}
    </button>
  );
}

export type { JSX };
