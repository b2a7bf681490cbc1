import { useMemo } from 'preact/hooks';
import { list, type MapEdge, type ServiceMap } from '../api';
import { fitting, layout, type Layout } from './layout';

// usePlaces lays a map out for a width: from left to right where that can be read, no
// smaller than least, and downwards elsewhere. Figures change all the time, places only
// when somebody comes or goes.
export function usePlaces(m: ServiceMap, width: number, least: number): Layout {
  const shape = JSON.stringify([list(m.nodes).map((n) => [n.name, n.kind]), list(m.edges).map((e) => [e.from, e.to, e.kind])]);
  const wide = useMemo(() => layout(m), [shape]);
  const across = width <= 0 || wide.width * least <= width ? 0 : fitting(width / 0.75);
  const placed = useMemo(() => (across ? layout(m, across) : wide), [wide, across]);
  return useMemo(() => {
    const nodes = new Map(list(m.nodes).map((n) => [n.name, n]));
    const edges = new Map(list(m.edges).map((e) => [`${e.from} ${e.to} ${e.kind}`, e]));
    const fresh = (e: MapEdge) => edges.get(`${e.from} ${e.to} ${e.kind}`) ?? e;
    return {
      ...placed,
      boxes: placed.boxes.map((b) => ({ ...b, node: nodes.get(b.node.name) ?? b.node, query: b.query && fresh(b.query), database: b.database && (nodes.get(b.database.name) ?? b.database) })),
      routes: placed.routes.map((x) => ({ ...x, edge: fresh(x.edge) })),
    };
  }, [m, placed]);
}
