// Where the services stand: callers before those they call, few crossings, straight
// lines where that is possible (Sugiyama's method: cycles are broken, layers are by the
// longest path, the order within a layer by barycentres).
import { list, type MapEdge, type MapNode, type ServiceMap } from '../api';

export interface Box { node: MapNode; database?: MapNode; query?: MapEdge; x: number; y: number; width: number; height: number }
export interface Route { edge: MapEdge; back: boolean; points: [number, number][] }
export interface Layout { boxes: Box[]; routes: Route[]; width: number; height: number; down: boolean }

const tall = 78;
const short = 54;

// Shape is what differs between the two ways to read a map. Sizes along are those in the
// direction of the calls; two neighbours across are apart by both their margins.
interface Shape { width: number; along: number; gap: number; pad: number; way: number; wayPad: number }
const right: Shape = { width: 176, along: 176, gap: 84, pad: 13, way: 6, wayPad: 13 };
const down: Shape = { width: 140, along: tall, gap: 46, pad: 8, way: 0, wayPad: 3 };

/** How many boxes are beside each other, at most, in a map of a width that is read downwards. */
export function fitting(width: number): number { return Math.max(1, Math.floor((width + 2 * down.pad) / (down.width + 2 * down.pad))); }

interface Vertex { id: string; layer: number; at: number; size: number; pad: number; box?: Box; prev: Vertex[]; next: Vertex[] }

// layout places what a map has: from left to right, or, where only so many boxes fit
// across, from top to bottom. A database of one service is drawn within that service.
export function layout(m: ServiceMap, across = 0): Layout {
  const s = across > 0 ? down : right;
  const { boxes, edges } = merge(m, s.width);
  if (boxes.length === 0) return { boxes, routes: [], width: 0, height: 0, down: across > 0 };
  const back = breakCycles(boxes, edges);
  const forward = edges.map((e) => (back.has(e) ? { from: e.to, to: e.from } : { from: e.from, to: e.to }));
  const layers = layering(boxes.map((b) => b.node.name), forward);
  if (across > 0) wrap(layers, forward, across);
  const vertices = new Map<string, Vertex>(boxes.map((b) => [b.node.name, { id: b.node.name, layer: layers.get(b.node.name)!, at: 0, size: across > 0 ? b.width : b.height, pad: s.pad, box: b, prev: [], next: [] }]));
  const chains = chain(vertices, forward, s);
  const columns = order([...vertices.values()]);
  place(columns);
  if (across > 0) squeeze(columns);
  const starts = columns.map((_, i) => i * (s.along + s.gap));
  columns.forEach((column, i) => column.forEach((v) => {
    if (v.box) Object.assign(v.box, across > 0 ? { x: v.at, y: starts[i] } : { x: starts[i], y: v.at });
  }));
  const size = [starts.at(-1)! + s.along, Math.max(...columns.flat().map((v) => v.at + v.size))];
  const routes = route(edges, back, chains, starts, s);
  if (across === 0) return { boxes, routes, width: size[0], height: size[1], down: false };
  return { boxes, routes: routes.map((r) => ({ ...r, points: r.points.map(([x, y]) => [y, x]) })), width: size[1], height: size[0], down: true };
}

// wrap makes several layers of one that is wider than fits; those who call nobody come
// first, so that the lines of the others are short.
function wrap(layers: Map<string, number>, edges: { from: string; to: string }[], across: number) {
  const calls = (name: string) => Number(edges.some((e) => e.from === name));
  const deepest = Math.max(...layers.values());
  let next = 0;
  for (let l = 0; l <= deepest; l++) {
    const names = [...layers].filter(([, of]) => of === l).map(([name]) => name).sort((a, b) => calls(a) - calls(b) || a.localeCompare(b));
    const rows = Math.ceil(names.length / across);
    // Counted from the last, which are full; negative, so that none is met twice.
    names.forEach((name, i) => layers.set(name, -1 - (next + rows - 1 - Math.floor((names.length - 1 - i) / across))));
    next += rows;
  }
  for (const [name, l] of layers) layers.set(name, -1 - l);
}

function merge(m: ServiceMap, width: number): { boxes: Box[]; edges: MapEdge[] } {
  const nodes = list(m.nodes);
  const edges = list(m.edges).filter((e) => e.from !== e.to);
  const inner = new Map<string, MapEdge>(); // database to its only query
  for (const n of nodes) {
    const of = edges.filter((e) => e.to === n.name || e.from === n.name);
    if (n.kind === 'database' && of.length === 1 && of[0].to === n.name) inner.set(n.name, of[0]);
  }
  const boxes = nodes.filter((n) => !inner.has(n.name)).map((node): Box => {
    const query = [...inner.values()].filter((e) => e.from === node.name).sort((a, b) => b.rate - a.rate)[0];
    const database = nodes.find((n) => n.name === query?.to);
    return { node, database, query, x: 0, y: 0, width, height: query ? tall : short };
  });
  const shown = new Set(boxes.map((b) => b.node.name));
  return { boxes, edges: edges.filter((e) => shown.has(e.from) && shown.has(e.to)) };
}

// breakCycles returns the edges to be turned round: those that lead back to where a walk
// from the users, along the busiest edges first, came from.
function breakCycles(boxes: Box[], edges: MapEdge[]): Set<MapEdge> {
  const back = new Set<MapEdge>();
  const state = new Map<string, 'open' | 'done'>();
  const kinds = { call: 0, query: 1, event: 2 };
  const out = (name: string) => edges.filter((e) => e.from === name).sort((a, b) => kinds[a.kind] - kinds[b.kind] || a.to.localeCompare(b.to));
  const walk = (name: string) => {
    state.set(name, 'open');
    for (const e of out(name)) {
      const s = state.get(e.to);
      if (s === 'open') back.add(e);
      else if (!s) walk(e.to);
    }
    state.set(name, 'done');
  };
  const first = (b: Box) => (b.node.kind === 'user' ? 0 : b.node.name === 'edge' ? 1 : edges.some((e) => e.to === b.node.name) ? 3 : 2);
  [...boxes].sort((a, b) => first(a) - first(b) || a.node.name.localeCompare(b.node.name)).forEach((b) => { if (!state.has(b.node.name)) walk(b.node.name); });
  return back;
}

function layering(names: string[], edges: { from: string; to: string }[]): Map<string, number> {
  const layer = new Map<string, number>();
  const of = (name: string): number => {
    const known = layer.get(name);
    if (known !== undefined) return known;
    layer.set(name, 0); // no cycle is left; this is for one that is
    const l = Math.max(-1, ...edges.filter((e) => e.to === name).map((e) => of(e.from))) + 1;
    layer.set(name, l);
    return l;
  };
  names.forEach(of);
  return layer;
}

// chain joins neighbours in the order, with a waypoint in each layer that an edge passes.
function chain(vertices: Map<string, Vertex>, edges: { from: string; to: string }[], s: Shape): Vertex[][] {
  return edges.map((e, n) => {
    const [a, b] = [vertices.get(e.from)!, vertices.get(e.to)!];
    const all = [a];
    for (let l = a.layer + 1; l < b.layer; l++) {
      const v: Vertex = { id: `${n} ${l}`, layer: l, at: 0, size: s.way, pad: s.wayPad, prev: [], next: [] };
      vertices.set(v.id, v);
      all.push(v);
    }
    all.push(b);
    for (let i = 1; i < all.length; i++) {
      all[i - 1].next.push(all[i]);
      all[i].prev.push(all[i - 1]);
    }
    return all;
  });
}

function order(vertices: Vertex[]): Vertex[][] {
  const columns: Vertex[][] = [];
  for (const v of [...vertices].sort((a, b) => a.id.localeCompare(b.id))) (columns[v.layer] ??= []).push(v);
  for (let l = 0; l < columns.length; l++) columns[l] ??= [];
  const index = new Map<Vertex, number>();
  const note = (column: Vertex[]) => column.forEach((v, i) => index.set(v, i / Math.max(1, column.length - 1)));
  columns.forEach(note);
  const centre = (v: Vertex, of: Vertex[]) => (of.length ? of.reduce((a, n) => a + index.get(n)!, 0) / of.length : index.get(v)!);
  let best = columns.map((c) => [...c]);
  let fewest = crossings(best);
  for (let round = 0; round < 24 && fewest > 0; round++) {
    const down = round % 2 === 0;
    for (const column of down ? columns : [...columns].reverse()) {
      const by = new Map(column.map((v) => [v, centre(v, down ? v.prev : v.next)]));
      column.sort((a, b) => by.get(a)! - by.get(b)!);
      note(column);
    }
    const n = crossings(columns);
    if (n < fewest) [best, fewest] = [columns.map((c) => [...c]), n];
  }
  return best;
}

function crossings(columns: Vertex[][]): number {
  let n = 0;
  const at = new Map<Vertex, number>();
  columns.forEach((c) => c.forEach((v, i) => at.set(v, i)));
  for (const column of columns) {
    const lines = column.flatMap((v) => v.next.map((w) => [at.get(v)!, at.get(w)!]));
    for (let i = 0; i < lines.length; i++) for (let j = 0; j < i; j++) if ((lines[i][0] - lines[j][0]) * (lines[i][1] - lines[j][1]) < 0) n++;
  }
  return n;
}

// place gives every vertex its place in its layer: near its neighbours in the others, at
// a distance from those beside it.
function place(columns: Vertex[][]) {
  for (const c of columns) {
    c.forEach((v, i) => { v.at = i === 0 ? 0 : after(c[i - 1]) + v.pad; });
  }
  const middle = (v: Vertex) => v.at + v.size / 2;
  for (let round = 0; round < 40; round++) {
    const down = round % 2 === 0;
    for (const c of down ? columns : [...columns].reverse()) {
      const want = c.map((v) => {
        const near = round < 30 ? (down ? v.prev : v.next) : [...v.prev, ...v.next];
        return near.length ? near.reduce((a, n) => a + middle(n), 0) / near.length - v.size / 2 : v.at;
      });
      settle(c, want);
    }
  }
  const first = Math.min(...columns.flat().map((v) => v.at));
  columns.flat().forEach((v) => (v.at -= first));
}

// squeeze makes a map that is read downwards as narrow as its widest layer.
function squeeze(columns: Vertex[][]) {
  const span = (c: Vertex[]) => c.reduce((a, v, i) => a + v.size + (i > 0 ? v.pad + c[i - 1].pad : 0), 0);
  const width = Math.max(...columns.map(span));
  const from = (Math.max(...columns.flat().map((v) => v.at + v.size)) - width) / 2;
  for (const c of columns) {
    c.forEach((v, i) => { v.at = Math.max(v.at, i === 0 ? from : after(c[i - 1]) + v.pad); });
    for (let i = c.length - 1; i >= 0; i--) c[i].at = Math.min(c[i].at, (i === c.length - 1 ? from + width : c[i + 1].at - c[i + 1].pad - c[i].pad) - c[i].size);
  }
  columns.flat().forEach((v) => (v.at -= from));
}

// after is where a vertex' margin ends.
function after(v: Vertex): number { return v.at + v.size + v.pad; }

// settle moves a column's vertices as near to where they want to be as their order and
// distances let them: groups that touch share their error.
function settle(column: Vertex[], want: number[]) {
  const groups: { from: number; sum: number; n: number; size: number }[] = [];
  let offset = 0;
  const offsets = column.map((v, i) => { const o = i === 0 ? 0 : offset + v.pad; offset = o + v.size + v.pad; return o; });
  column.forEach((_, i) => {
    groups.push({ from: i, sum: want[i] - offsets[i], n: 1, size: 1 });
    while (groups.length > 1 && groups.at(-2)!.sum / groups.at(-2)!.n > groups.at(-1)!.sum / groups.at(-1)!.n) {
      const last = groups.pop()!;
      const g = groups.at(-1)!;
      g.sum += last.sum; g.n += last.n; g.size += last.size;
    }
  });
  for (const g of groups) for (let i = g.from; i < g.from + g.size; i++) column[i].at = g.sum / g.n + offsets[i];
}

// route draws each edge from port to port: those of a box are spread over its side in the
// order of where they lead, so that none lies on another.
function route(edges: MapEdge[], back: Set<MapEdge>, chains: Vertex[][], starts: number[], s: Shape): Route[] {
  const ports = new Map<string, { edge: MapEdge; toward: number }[]>();
  const middle = (v: Vertex) => v.at + v.size / 2;
  const put = (v: Vertex, side: string, edge: MapEdge, toward: Vertex) => {
    const key = `${side}${v.id}`;
    ports.set(key, [...(ports.get(key) ?? []), { edge, toward: middle(toward) + (back.has(edge) ? 0.5 : 0) }]);
  };
  chains.forEach((c, i) => {
    put(c[0], '>', edges[i], c[1]);
    put(c.at(-1)!, '<', edges[i], c.at(-2)!);
  });
  const port = (v: Vertex, side: string, edge: MapEdge): number => {
    const all = [...ports.get(`${side}${v.id}`)!].sort((a, b) => a.toward - b.toward);
    const gap = Math.min(14, (v.size - 20) / Math.max(1, all.length - 1));
    return middle(v) + (all.findIndex((p) => p.edge === edge) - (all.length - 1) / 2) * gap;
  };
  return edges.map((edge, i) => {
    const c = chains[i];
    const points = c.flatMap((v, j): [number, number][] => {
      const from = starts[v.layer];
      if (j === 0) return [[from + (s === down ? v.box!.height : s.along), port(v, '>', edge)]];
      return j === c.length - 1 ? [[from, port(v, '<', edge)]] : [[from, middle(v)], [from + s.along, middle(v)]]; // straight past the boxes
    });
    return { edge, back: back.has(edge), points: back.has(edge) ? points.reverse() : points };
  });
}
