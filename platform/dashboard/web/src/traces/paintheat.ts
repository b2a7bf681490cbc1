import { token } from '../theme/theme';
import { duration } from '../ui/format';
import { strength, type Grid } from './heat';
import { prepare } from './paint';
import { timeLabel, timeTicks } from './ticks';

/** The widths of the axes, in px. */
export const gutter = 56, foot = 22;

/** Paints a grid and its axes. */
export function paintHeat(canvas: HTMLCanvasElement, g: Grid, width: number, height: number): void {
  const ctx = prepare(canvas, width, height);
  const inner = width - gutter, deep = height - foot;
  const w = inner / g.columns, h = deep / g.rows;
  const line = token('--line'), faint = token('--faint'), accent = token('--accent'), bad = token('--bad');
  ctx.font = '11px Inter, system-ui, sans-serif';
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'right';
  for (let decade = Math.ceil(g.low); decade <= g.high + 1e-9; decade++) {
    const y = deep - ((decade - g.low) / (g.high - g.low)) * deep;
    ctx.fillStyle = line;
    ctx.fillRect(gutter, Math.min(deep - 1, Math.round(y)), inner, 1);
    ctx.fillStyle = faint;
    ctx.fillText(duration(10 ** decade), gutter - 8, Math.max(7, Math.min(deep - 4, y)));
  }
  ctx.textAlign = 'center';
  const ticks = timeTicks(g.from, g.until, Math.max(2, Math.floor(inner / 80)));
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : g.until - g.from;
  for (const t of ticks) {
    const x = gutter + ((t - g.from) / (g.until - g.from)) * inner;
    ctx.fillStyle = line;
    ctx.fillRect(Math.round(x), 0, 1, deep + 3);
    ctx.fillStyle = faint;
    if (x > gutter + 16 && x < width - 24) ctx.fillText(timeLabel(t, step), x, height - 8);
  }
  for (let r = 0; r < g.rows; r++)
    for (let c = 0; c < g.columns; c++) {
      const i = r * g.columns + c;
      const n = g.count[i];
      if (n === 0) continue;
      const x = gutter + c * w + 0.5, y = deep - (r + 1) * h + 0.5;
      const failed = g.errors[i] === 0 ? 0 : Math.max(0.4, g.errors[i] / n);
      ctx.globalAlpha = strength(n, g.most);
      if (failed < 1) {
        ctx.fillStyle = accent;
        ctx.beginPath();
        ctx.roundRect(x, y, w - 1, h - 1, 1.5);
        ctx.fill();
      }
      if (failed > 0) {
        // A failure is seen whatever it is among.
        ctx.globalAlpha = Math.max(0.75, ctx.globalAlpha);
        ctx.fillStyle = bad;
        ctx.beginPath();
        ctx.roundRect(x, y + (h - 1) * (1 - failed), w - 1, (h - 1) * failed, 1.5);
        ctx.fill();
      }
    }
  ctx.globalAlpha = 1;
}
