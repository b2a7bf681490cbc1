import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useConnection } from '../api';
import { switchTheme, useTheme } from '../theme/theme';
import { Icon, Skeleton, format } from '../ui';
import { Help } from './help';
import { useKeys, type Keys } from './keys';
import { pages } from './pages';
import { go, useRoute } from './router';
import { useServices } from './services';

// Shell is what stands around every page: the rail, the notice of a lost connection, the
// keys that work everywhere.
export function Shell({ title, children }: { title: string; children: ComponentChildren }) {
  const r = useRoute();
  const [help, setHelp] = useState(false);
  const [slim, setSlim] = useState(stored() === 'slim');
  const t = useTheme();
  const fold = () => {
    setSlim(!slim);
    try { localStorage.setItem('muster.rail', slim ? 'wide' : 'slim'); } catch { /* kept for this page only */ }
  };
  const keys: Keys = {
    '?': () => setHelp(true),
    '/': () => document.querySelector<HTMLInputElement>('[data-search]')?.focus(),
    d: switchTheme,
  };
  for (const p of pages) keys[`g ${p.key}`] = () => go(p.path);
  useKeys(keys, []);

  useEffect(() => document.querySelector('.rail [aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' }), [r.path]);

  const current = pages.findLast((p) => (p.path === '/' ? r.path === '/' : r.path === p.path || r.path.startsWith(`${p.path}/`)));
  return (
    <div class={`shell${slim ? ' slim' : ''}`}>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>To the content</a>
      <nav class="rail" aria-label="Pages">
        <div class="brand"><Mark /><span>Muster</span>{title && title !== 'Muster' && <span class="fleet">{title}</span>}</div>
        {pages.map((p, i) => (
          <>
            {p.group && p.group !== pages[i - 1]?.group && <div class="group" aria-hidden="true">{p.group}</div>}
            <a key={p.path} href={p.path} aria-current={current === p ? 'page' : undefined} title={`${p.name} (g ${p.key})`}><Icon name={p.icon} /><span class="name">{p.name}</span></a>
          </>
        ))}
        <div class="rail-foot">
          <button type="button" onClick={switchTheme} aria-label={`Switch to ${t === 'dark' ? 'light' : 'dark'} colours`} title={`Switch to ${t === 'dark' ? 'light' : 'dark'} colours (d)`}><Icon name={t === 'dark' ? 'sun' : 'moon'} /></button>
          <button type="button" onClick={() => setHelp(true)} aria-label="Keys and help" title="Keys and help (?)"><Icon name="help" /></button>
          <button type="button" class="fold" onClick={fold} aria-label={slim ? 'Show names' : 'Hide names'} aria-expanded={!slim} title={slim ? 'Show names' : 'Hide names'}><Icon name="rail" /></button>
        </div>
      </nav>
      <div class="content">
        <Lost />
        {children}
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

function stored(): string {
  try { return localStorage.getItem('muster.rail') ?? ''; } catch { return ''; }
}

// Mark is Muster's sign: those who came together.
function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
      <rect width="22" height="22" rx="6" fill="currentColor" />
      <path d="M5.5 15.5v-8l5.5 5 5.5-5v8" fill="none" stroke="var(--on-accent)" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

function Lost() {
  const c = useConnection();
  if (!c.lost) return null;
  return <div class="lost" role="alert"><Icon name="alert" /><span>Connection lost. {c.last ? `Showing what was there at ${format.clock(c.last)}, retrying.` : 'Retrying.'}</span></div>;
}

// Named waits a moment for the names of the services, so that each has its colour from
// the first drawing on; without an answer it goes on.
export function Named({ children }: { children: ComponentChildren }) {
  const services = useServices();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 1000);
    return () => clearTimeout(timer);
  }, []);
  if (services || late) return <>{children}</>;
  return <main class="page" id="main" tabIndex={-1}><Skeleton /></main>;
}
