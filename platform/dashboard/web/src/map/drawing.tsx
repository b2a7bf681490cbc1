import { useEffect, useRef, useState } from 'preact/hooks';
import type { MapEdge, ServiceMap } from '../api';
import { serviceColor, useTheme } from '../theme/theme';
import { Button, format } from '../ui';
import { px } from '../ui/px';
import type { Box, Layout, Route } from './layout';
import { usePlaces } from './places';

const margin = 28;
const least = 0.6; // smaller nobody reads it
const toolbar = 44; // px, above a map that is read downwards, and below it for the legend

export interface DrawingProps { map: ServiceMap; selected: string; found: (name: string) => boolean; onSelect: (name: string) => void }

interface View { x: number; y: number; scale: number }

// Drawing is the map itself: drag to move, wheel with Ctrl (or pinch) to zoom, Tab and
// Enter to choose a service. Where it is narrow, it is read downwards.
export function Drawing({ map, selected, found, onSelect }: DrawingProps) {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [view, setView] = useState<View | null>(null); // null: fitted
  const drag = useRef<{ x: number; y: number; view: View; moved: boolean } | null>(null);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const watch = new ResizeObserver(() => setSize({ width: el.clientWidth, height: el.clientHeight }));
    watch.observe(el);
    return () => watch.disconnect();
  }, []);

  const l = usePlaces(map, size.width - 2 * margin, least);
  useEffect(() => setView(null), [l.down]);
  const fitted = fit(l, size);
  const v = view ?? fitted;
  const beyond = !view && size.width > 0 && fitted.x + l.width * fitted.scale > size.width;
  const zoom = (by: number, x = size.width / 2, y = size.height / 2) => {
    const scale = Math.min(2.5, Math.max(0.2, v.scale * by));
    setView({ scale, x: x - ((x - v.x) * scale) / v.scale, y: y - ((y - v.y) * scale) / v.scale });
  };
  const latest = useRef(zoom);
  latest.current = zoom;
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const wheel = (e: WheelEvent) => {
      if (!e.ctrlKey && !e.metaKey) return; // the page scrolls
      e.preventDefault();
      const r = el.getBoundingClientRect();
      latest.current(Math.exp(-e.deltaY / 300), e.clientX - r.left, e.clientY - r.top);
    };
    el.addEventListener('wheel', wheel, { passive: false });
    return () => el.removeEventListener('wheel', wheel);
  }, []);

  const near = neighbours(l, selected);
  const dim = (name: string) => (selected ? !near.has(name) : !found(name));
  const busiest = Math.max(0.001, ...l.routes.map((r) => r.edge.rate));
  return (
    <div class="map-box" ref={box} style={l.down ? { height: px(Math.min(1400, l.height * fitted.scale + 2 * toolbar)) } : undefined}
      onPointerDown={(e) => { if (e.button === 0) drag.current = { x: e.clientX, y: e.clientY, view: v, moved: false }; }}
      onPointerMove={(e) => {
        const d = drag.current;
        if (!d) return;
        const [dx, dy] = [e.clientX - d.x, e.clientY - d.y];
        if (!d.moved && Math.hypot(dx, dy) < 4) return;
        if (!d.moved) e.currentTarget.setPointerCapture(e.pointerId);
        d.moved = true;
        setView({ ...d.view, x: d.view.x + dx, y: d.view.y + dy });
      }}
      onPointerUp={(e) => {
        if (drag.current && !drag.current.moved && !(e.target as Element).closest('.map-node')) onSelect('');
        drag.current = null;
      }}
      onPointerCancel={() => (drag.current = null)}>
      <svg class="map" width={size.width} height={size.height} aria-label="Map of the services; the table below has the same figures" role="group">
        <defs>
          {['call', 'event', 'some', 'bad', 'on'].map((k) => <marker key={k} id={`arrow-${k}`} class={`arrow ${k}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0.5 0.8L7 4L0.5 7.2Z" /></marker>)}
        </defs>
        <g transform={`translate(${v.x.toFixed(2)} ${v.y.toFixed(2)}) scale(${v.scale.toFixed(4)})`}>
          {l.routes.map((r) => <Line key={`${r.edge.from} ${r.edge.to} ${r.edge.kind}`} r={r} down={l.down} share={r.edge.rate / busiest} on={selected === r.edge.from || selected === r.edge.to} dim={selected ? selected !== r.edge.from && selected !== r.edge.to : dim(r.edge.from) && dim(r.edge.to)} />)}
          {l.boxes.map((b) => <Card key={b.node.name} b={b} asks={l.routes.filter((r) => r.edge.from === b.node.name).reduce((a, r) => a + r.edge.rate, 0)} selected={selected === b.node.name} dim={dim(b.node.name)} onSelect={onSelect} />)}
        </g>
      </svg>
      <div class="map-tools">
        {beyond && <span class="map-more">Drag to see the rest</span>}
        <Button small icon="plus" label="Zoom in" onClick={() => zoom(1.25)} />
        <Button small icon="zoomOut" label="Zoom out" onClick={() => zoom(0.8)} />
        <Button small icon="fit" label="Fit the whole map" onClick={() => setView(null)} />
      </div>
      <div class="map-legend" aria-hidden="true"><span class="legend-line" />call<span class="legend-line event" />event<span class="legend-line some" />some fail<span class="legend-line bad" />1&nbsp;% and more fail</div>
    </div>
  );
}

function fit(l: Layout, size: { width: number; height: number }): View {
  if (!size.width || !l.width) return { x: 0, y: 0, scale: 1 };
  if (l.down) {
    const room = size.width - 2 * 12;
    const scale = Math.min(1, Math.max(least, room / l.width));
    return { scale, x: Math.max(12, (size.width - l.width * scale) / 2), y: toolbar };
  }
  const whole = Math.min((size.width - 2 * margin) / l.width, (size.height - 2 * margin) / l.height, 1.25);
  const scale = Math.max(whole, Math.min(0.68, (size.height - 2 * margin) / l.height));
  const fits = l.width * scale <= size.width;
  return { scale, x: fits ? (size.width - l.width * scale) / 2 : 12, y: (size.height - l.height * scale) / 2 };
}

function neighbours(l: Layout, name: string): Set<string> {
  return new Set([name, ...l.routes.filter((r) => r.edge.from === name || r.edge.to === name).flatMap((r) => [r.edge.from, r.edge.to])]);
}

// failing tells what is drawn red: of what fails less, only the lines are amber.
export function failing(e: { errors: number }): boolean { return e.errors >= 0.01; }

export function describe(e: MapEdge): string {
  return `${e.from} ${e.kind === 'event' ? 'sends events to' : 'calls'} ${e.to}: ${format.rate(e.rate)}, p99 ${format.duration(e.p99)}, ${format.share(e.errors)} failed`;
}

function Line({ r, down, share, on, dim }: { r: Route; down: boolean; share: number; on: boolean; dim: boolean }) {
  const [[x, y], ...rest] = r.points;
  let d = `M${x} ${y}`;
  let [lx, ly] = [x, y];
  for (const [nx, ny] of rest) {
    const [bx, by] = down ? [0, (ny - ly) * 0.45] : [(nx - lx) * 0.45, 0];
    d += `C${lx + bx} ${ly + by} ${nx - bx} ${ny - by} ${nx} ${ny}`;
    [lx, ly] = [nx, ny];
  }
  const kind = failing(r.edge) ? 'bad' : r.edge.errors > 0 ? 'some' : r.edge.kind === 'event' ? 'event' : 'call';
  return (
    <g class={`map-edge ${r.edge.kind} ${kind}${on ? ' on' : ''}${dim ? ' dim' : ''}`}>
      <path d={d} class="hit"><title>{describe(r.edge)}</title></path>
      <path d={d} class="stroke" stroke-width={1.25 + 1.75 * Math.sqrt(share)} marker-end={`url(#arrow-${on && kind !== 'bad' && kind !== 'some' ? 'on' : kind})`} />
      {r.edge.rate > 0 && <path d={d} class="flow" style={{ animationDuration: `${Math.max(0.6, 3 - 2.4 * Math.sqrt(share)).toFixed(2)}s` }} />}
    </g>
  );
}

const symbols: Record<string, string> = {
  user: 'M0-6a3 3 0 1 0 0 6a3 3 0 1 0 0-6M-5.5 6.5a5.5 5.5 0 0 1 11 0',
  database: 'M-5-3.5a5 2 0 1 0 10 0a5 2 0 1 0-10 0M-5-3.5v7a5 2 0 0 0 10 0v-7M-5 0a5 2 0 0 0 10 0',
  external: 'M0-6a6 6 0 1 0 0 12a6 6 0 1 0 0-12M-6 0h12M0-6c-4 4-4 8 0 12M0-6c4 4 4 8 0 12',
};

function Card({ b, asks, selected, dim, onSelect }: { b: Box; asks: number; selected: boolean; dim: boolean; onSelect: (name: string) => void }) {
  const t = useTheme();
  const n = b.node;
  const bad = failing(n);
  const choose = () => onSelect(selected ? '' : n.name);
  const most = Math.floor((b.width - 44 - (bad ? 40 : 0)) / 7);
  const name = n.name.length > most ? `${n.name.slice(0, most - 1)}…` : n.name;
  const label = n.kind === 'user' ? `${name}: ${format.rate(asks)}` : `${name}, ${n.kind}: ${format.rate(n.rate)}, p99 ${format.duration(n.p99)}, ${format.share(n.errors)} failed`;
  return (
    <g class={`map-node ${n.kind}${selected ? ' selected' : ''}${dim ? ' dim' : ''}${bad ? ' bad' : ''}`} transform={`translate(${b.x} ${b.y})`} tabIndex={0} role="button" aria-pressed={selected} aria-description={label}
      onClick={choose} onKeyDown={(e) => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); choose(); } }}>
      <rect class="card" width={b.width} height={b.height} rx="8" />
      {symbols[n.kind] ? <path class="symbol" d={symbols[n.kind]} transform="translate(18 19)" /> : <rect x="12" y="14" width="10" height="10" rx="2.5" fill={serviceColor(n.name, t)} />}
      <text class="title" x="31" y="23.5">{name}{' '}</text>
      <g>
        {n.kind === 'user' ? <text class="figure" x="12" y="42">{format.rate(asks)}</text> : (
        <>
          <text class="figure" x="12" y="42">{format.rate(n.rate)}</text>
          <text class="figure" x={b.width - 12} y="42" text-anchor="end">{format.duration(n.p99)}</text>
        </>
      )}
      {bad && <g transform={`translate(${b.width - 12} 19)`}><text class="failed" text-anchor="end" y="4.5">{format.share(n.errors)}</text></g>}
      {b.query && b.database && (
        <g class="inner">
          <path class="cut" d={`M0 53.5H${b.width}`} />
          <path class="symbol" d={symbols.database} transform="translate(18 66) scale(0.82)" />
          <text class="figure" x="31" y="70">{format.rate(b.query.rate)}</text>
          <text class="figure" x={b.width - 12} y="70" text-anchor="end">{format.duration(b.query.p99)}</text>
        </g>
      )}
      </g>
    </g>
  );
}
