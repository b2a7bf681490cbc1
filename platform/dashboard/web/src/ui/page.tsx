import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';

// Page is a page's heading, what can be done there, and what it shows.
export function Page({ title, sub, actions, children, wide, back }: { title: string; sub?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; wide?: boolean; back?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Muster`;
  }, [title]);
  return (
    <main class={`page${wide ? ' wide' : ''}`} id="main" tabIndex={-1}>
      <header class="page-head">
        <div class="page-title">{back}<h1>{title}</h1>{sub && <span class="page-sub">{sub}</span>}</div>
        {actions && <div class="page-actions">{actions}</div>}
      </header>
      {children}
    </main>
  );
}

// Panel is a surface with an optional heading.
export function Panel({ title, sub, actions, children, flush, id }: { title?: string; sub?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; flush?: boolean; id?: string }) {
  return (
    <section class={`panel${flush ? ' flush' : ''}`} id={id} aria-label={title}>
      {(title || actions) && <header class="panel-head">{title && <h2>{title}</h2>}{sub && <span class="muted num">{sub}</span>}{actions && <div class="panel-actions">{actions}</div>}</header>}
      <div class="panel-body">{children}</div>
    </section>
  );
}

// Toolbar holds the filters above what they filter.
export function Toolbar({ children }: { children: ComponentChildren }) { return <div class="toolbar" role="search">{children}</div>; }
