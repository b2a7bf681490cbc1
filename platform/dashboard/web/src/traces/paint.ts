// The bars of the waterfall, painted for the rows that are on the screen.
import type { Log, Span } from '../api';
import type { Layout } from './layout';
import { isCritical } from './layout';
import { duration } from '../ui/format';
import type { View } from './view';

export const rowHeight = 24;

export interface Colors { text: string; muted: string; line: string; bad: string; warn: string; surface: string; service: (name: string) => string }

export interface Painting {
  spans: readonly Span[]; layout: Layout; view: View;
  rows: Int32Array; first: number; end: number;
  width: number; colors: Colors; ticks: readonly number[]; critical: boolean;
  logs: ReadonlyMap<string, readonly Log[]>;
}

/** Sizes a canvas for the screen's pixels and returns its context, in CSS pixels. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = width + 'px';
    canvas.style.height = height + 'px';
  }
  const ctx = canvas.getContext('2d')!;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

export function paintBars(canvas: HTMLCanvasElement, p: Painting): void {
  const height = (p.end - p.first) * rowHeight;
  const ctx = prepare(canvas, p.width, height);
  const scale = p.width / (p.view.until - p.view.from);
  const x = (ms: number) => (ms - p.view.from) * scale;
  ctx.fillStyle = p.colors.line;
  for (const t of p.ticks) ctx.fillRect(Math.round(x(t)), 0, 1, height);
  ctx.font = '11px Inter, system-ui, sans-serif';
  ctx.textBaseline = 'middle';
  for (let r = p.first; r < p.end; r++) paintBar(ctx, p, p.rows[r], (r - p.first) * rowHeight, x);
}

function paintBar(ctx: CanvasRenderingContext2D, p: Painting, i: number, y: number, x: (ms: number) => number): void {
  const { layout: l, width } = p;
  const s = p.spans[i];
  const left = x(l.start[i]), right = x(l.end[i]);
  const top = y + 7, tall = 10;
  const color = s.error ? p.colors.bad : p.colors.service(s.service);
  if (right >= -1 && left <= width + 1) {
    const from = Math.max(-4, left), wide = Math.max(2, Math.min(width + 4, right) - from);
    ctx.fillStyle = color;
    ctx.globalAlpha = wide < 4 ? 1 : 0.34;
    ctx.beginPath();
    ctx.roundRect(from, top, wide, tall, 2);
    ctx.fill();
    ctx.globalAlpha = 1;
    paintOwn(ctx, p, i, top, tall, x);
  }
  if (p.critical && isCritical(l, i)) {
    ctx.fillStyle = p.colors.text;
    let drawn = -1;
    for (let k = l.piece[i]; k < l.piece[i + 1]; k++) {
      const a = Math.max(x(l.pieces[2 * k]), 0), b = Math.min(x(l.pieces[2 * k + 1]), width);
      if (b < 0 || a > width || b <= drawn) continue; // beside the view, or within a pixel that is black already
      ctx.fillRect(a, top + tall + 1, Math.max(1, b - a), 2);
      drawn = Math.ceil(b);
    }
  }
  for (const e of s.events ?? []) diamond(ctx, x(e.time - l.from), top + tall / 2, p.colors.text, p.colors.surface);
  for (const g of p.logs.get(s.id) ?? []) {
    const bad = g.severity === 'error' || g.severity === 'fatal';
    ctx.fillStyle = bad ? p.colors.bad : g.severity === 'warn' ? p.colors.warn : p.colors.muted;
    ctx.fillRect(Math.round(x(g.time - l.from)), y + 2, 1.5, 4);
  }
  label(ctx, p, duration(s.duration), left, right, y + rowHeight / 2);
}

// paintOwn fills the pieces of a bar in which none of the span's children ran: where its
// own time went is seen at once.
function paintOwn(ctx: CanvasRenderingContext2D, p: Painting, i: number, top: number, tall: number, x: (ms: number) => number): void {
  const { layout: l } = p;
  const end = l.end[i];
  const fill = (a: number, b: number) => {
    const from = Math.max(-4, x(a)), until = Math.min(p.width + 4, x(b));
    if (until - from < 0.3) return;
    ctx.beginPath();
    ctx.roundRect(from, top, Math.max(1.5, until - from), tall, 2);
    ctx.fill();
  };
  let at = l.start[i];
  // Children come by their start, so one walk merges them.
  for (let c = i + 1; c < l.last[i] && at < end; c = l.last[c]) {
    if (p.spans[c].kind === 'consumer' || p.spans[c].kind === 'producer' || l.start[c] >= end) continue;
    if (l.start[c] > at) fill(at, l.start[c]);
    at = Math.max(at, l.end[c]);
  }
  if (at < end || at === l.start[i]) fill(at, Math.max(end, at));
  if (l.end[i] === l.start[i]) ctx.fillRect(x(at) - 1, top, 2, tall);
}

function diamond(ctx: CanvasRenderingContext2D, x: number, y: number, color: string, around: string): void {
  ctx.beginPath();
  ctx.moveTo(x, y - 4);
  ctx.lineTo(x + 4, y);
  ctx.lineTo(x, y + 4);
  ctx.lineTo(x - 4, y);
  ctx.closePath();
  ctx.fillStyle = color;
  ctx.fill();
  ctx.strokeStyle = around;
  ctx.stroke();
}

// label writes beside the bar where there is room: right, left, or inside.
function label(ctx: CanvasRenderingContext2D, p: Painting, text: string, left: number, right: number, y: number): void {
  const wide = ctx.measureText(text).width;
  ctx.fillStyle = p.colors.muted;
  if (right < 0) ctx.fillText('‹ ' + text, 4, y);
  else if (left > p.width) ctx.fillText(text + ' ›', p.width - wide - 14, y);
  else if (right + 8 + wide < p.width) ctx.fillText(text, Math.max(right, 0) + 6, y);
  else if (left - 8 - wide > 0) ctx.fillText(text, left - 6 - wide, y);
  else {
    ctx.fillStyle = p.colors.surface;
    ctx.beginPath();
    const at = Math.max(4, Math.min(p.width, right) - wide - 12);
    ctx.roundRect(at - 4, y - 7, wide + 8, 14, 3);
    ctx.globalAlpha = 0.9;
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.fillStyle = p.colors.text;
    ctx.fillText(text, at, y);
  }
}

/** The whole trace in a strip: a line for each span, as thin as it must be. */
export function paintOverview(canvas: HTMLCanvasElement, spans: readonly Span[], l: Layout, width: number, height: number, colors: Colors, found?: Int32Array): void {
  const ctx = prepare(canvas, width, height);
  const all = l.until - l.from || 1;
  const inner = height - 8;
  const thick = Math.max(1, Math.min(4, inner / Math.max(1, l.size) - 0.5));
  const paint = (i: number, color: string, least: number) => {
    ctx.fillStyle = color;
    ctx.fillRect((l.start[i] / all) * width, 4 + (i / Math.max(1, l.size)) * inner, Math.max(least, ((l.end[i] - l.start[i]) / all) * width), thick);
  };
  ctx.globalAlpha = l.size > 2000 ? 0.5 : 0.9;
  const palette = l.services.map(colors.service);
  for (let i = 0; i < l.size; i++) if (!spans[i].error) paint(i, palette[l.service[i]], 1);
  ctx.globalAlpha = 1;
  for (let i = 0; i < l.size; i++) if (spans[i].error) paint(i, colors.bad, 2);
  if (!found) return;
  ctx.fillStyle = colors.warn;
  for (const i of found) ctx.fillRect((l.start[i] / all) * width - 1, 4 + (i / Math.max(1, l.size)) * inner - 1, 3, 3);
}
