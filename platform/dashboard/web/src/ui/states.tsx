// What is shown where there is nothing, nothing yet, or something went wrong.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiError, Query } from '../api';
import { Button } from './controls';
import { Icon, type IconName } from './icons';
import { px } from './px';

// Empty says what would be here and how it comes here.
export function Empty({ title, children, icon = 'search', action }: { title: string; children?: ComponentChildren; icon?: IconName; action?: ComponentChildren }) {
  return (
    <div class="state" role="status">
      <span class="state-icon"><Icon name={icon} size={20} /></span>
      <p class="state-title">{title}</p>
      {children && <div class="state-text">{children}</div>}
      {action && <div class="state-action">{action}</div>}
    </div>
  );
}

// ErrorState says what failed and offers to try again.
export function ErrorState({ error, what, retry }: { error: Pick<ApiError, 'message' | 'status'>; what: string; retry?: () => void }) {
  return (
    <div class="state failed" role="alert">
      <span class="state-icon"><Icon name="alert" size={20} /></span>
      <p class="state-title">{what} could not be loaded</p>
      <div class="state-text">{error.message}</div>
      {retry && <div class="state-action"><Button onClick={retry} icon="refresh">Try again</Button></div>}
    </div>
  );
}

// Skeleton keeps the place of what is being loaded. It appears only after a moment, so
// that quick answers do not flicker; the question behind it has a time limit.
export function Skeleton({ rows = 6, height = 36 }: { rows?: number; height?: number }) {
  const [late, set] = useState(false);
  useEffect(() => {
    const t = setTimeout(() => set(true), 150);
    return () => clearTimeout(t);
  }, []);
  return (
    <div class="skeleton" role="status" aria-label="Loading" aria-busy="true" style={{ minHeight: px(rows * height) }}>
      {late && Array.from({ length: rows }, (_, i) => (
        <div key={i} class="skeleton-row" style={{ height: px(height) }}><span style={{ width: `${22 + ((i * 37) % 30)}%` }} /><span style={{ width: `${12 + ((i * 23) % 18)}%` }} /></div>
      ))}
    </div>
  );
}

// Loaded shows the answer to a question: its skeleton, its error, or what children make of it.
export function Loaded<T>({ query, what, rows, children }: { query: Query<T>; what: string; rows?: number; children: (data: T) => ComponentChildren }) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error && <Notice kind="warn" action={<Button small onClick={query.reload}>Try again</Button>}>{what} could not be loaded anew, what is shown is older: {query.error.message}</Notice>}
        {children(query.data)}
      </>
    );
  }
  if (query.error) return <ErrorState error={query.error} what={what} retry={query.reload} />;
  return <Skeleton rows={rows} />;
}

export function Notice({ kind = 'info', children, action }: { kind?: 'info' | 'warn' | 'bad'; children: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
      <Icon name={kind === 'info' ? 'help' : 'alert'} />
      <div class="notice-text">{children}</div>
      {action}
    </div>
  );
}
