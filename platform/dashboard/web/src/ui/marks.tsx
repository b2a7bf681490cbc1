// Small marks: of services, of states, of keys.
import type { ComponentChildren } from 'preact';
import { serviceColor, useTheme } from '../theme/theme';

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'accent' | 'plain';

export function Badge({ tone = 'plain', children, title }: { tone?: Tone; children: ComponentChildren; title?: string }) {
  return <span class={`badge ${tone}`} title={title}>{children}</span>;
}

// Dot tells a state by colour and, for those who do not see it, by label.
export function Dot({ tone, label }: { tone: Tone; label: string }) {
  return <span class={`dot ${tone}`} role="img" aria-label={label} title={label} />;
}

// Service is a service's name behind its colour, the same on every page.
export function Service({ name, strong }: { name: string; strong?: boolean }) {
  const t = useTheme();
  return <span class={`service${strong ? ' strong' : ''}`}><span class="swatch" aria-hidden="true" style={{ background: serviceColor(name, t) }} /><span class="cut">{name}</span></span>;
}

export function Kbd({ children }: { children: ComponentChildren }) { return <kbd>{children}</kbd>; }

// Stat is a figure and what it counts.
export function Stat({ label, value, tone, sub }: { label: string; value: ComponentChildren; tone?: Tone; sub?: ComponentChildren }) {
  return <div class="stat"><dt>{label}</dt><dd class={`num ${tone ?? ''}`}>{value}{sub && <span class="stat-sub">{sub}</span>}</dd></div>;
}

export function Stats({ children }: { children: ComponentChildren }) { return <dl class="stats">{children}</dl>; }
