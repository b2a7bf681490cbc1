import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Button, Field } from './controls';

// Dialog is modal: the browser keeps the focus in it and gives it back.
export function Dialog({ title, children, onClose, actions, wide }: { title: string; children: ComponentChildren; onClose: () => void; actions?: ComponentChildren; wide?: boolean }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = ref.current;
    d?.showModal();
    // Not at its cross, where a dialog begins by itself: at what is to be filled in, else at
    // what does no harm.
    const first = ['input:placeholder-shown', 'input', '.dialog-foot button', '.dialog-body'].map((s) => d?.querySelector<HTMLElement>(s)).find((e) => e);
    first?.focus();
    return () => d?.close();
  }, []);
  return (
    <dialog ref={ref} class={`dialog${wide ? ' wide' : ''}`} aria-label={title} onCancel={(e) => { e.preventDefault(); onClose(); }} onClick={(e) => { if (e.target === ref.current) onClose(); }}>
      <div class="dialog-in">
        <header class="dialog-head"><h2>{title}</h2><Button kind="quiet" icon="close" label="Close" onClick={onClose} /></header>
        <div class="dialog-body" tabIndex={-1}>{children}</div>
        {actions && <footer class="dialog-foot">{actions}</footer>}
      </div>
    </dialog>
  );
}

// Confirm asks before something is done that changes a running system, and shows why it
// could not be done. note: it also asks who does it and why, which is kept with it.
export function Confirm({ title, children, action, danger, note, onClose, run }: {
  title: string; children: ComponentChildren; action: string; danger?: boolean; note?: boolean; onClose: () => void;
  run: (note: { by: string; why: string }) => Promise<unknown>;
}) {
  const [by, setBy] = useState(remembered());
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const ready = !note || (by.trim() !== '' && why.trim() !== '');
  const go = async () => {
    if (!ready || busy) return;
    setBusy(true);
    setError('');
    try {
      if (note) remember(by.trim());
      await run({ by: by.trim(), why: why.trim() });
      onClose();
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose} actions={<>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind={danger ? 'danger' : 'main'} disabled={!ready || busy} onClick={() => void go()}>{busy ? 'Working…' : action}</Button>
    </>}>
      <div class="stack">
        <div class="muted">{children}</div>
        {note && <Field label="Who you are" value={by} onInput={setBy} placeholder="ann" required />}
        {note && <Field label="Why" value={why} onInput={setWhy} onEnter={() => void go()} placeholder="the card processor is back" required />}
        {error && <p class="bad" role="alert">{error}</p>}
      </div>
    </Dialog>
  );
}

function remembered(): string {
  try { return localStorage.getItem('muster.by') ?? ''; } catch { return ''; }
}

function remember(by: string) {
  try { localStorage.setItem('muster.by', by); } catch { /* the browser keeps nothing */ }
}
