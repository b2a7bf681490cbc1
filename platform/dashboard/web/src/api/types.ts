// What the server answers: the Go types of platform/telemetry/query, graph and diagnose,
// data/saga, data/parking, bus, call and call/discovery. Times are milliseconds since 1970 and
// durations milliseconds where they are numbers; texts are RFC 3339. A Go slice that has
// nothing may be null: read it with list().

export type Attributes = Record<string, unknown>;

export interface ServiceNames { name: string; operations: string[] | null }
export interface Services { services: ServiceNames[] | null }

export interface Part { name: string; spans: number; errors: number }
export interface Summary {
  trace: string; service: string; name: string; start: number; duration: number; total: number;
  spans: number; errors: number; services: Part[] | null; rootless?: boolean; slowest?: number;
}
export interface Traces { traces: Summary[] | null; more: boolean; cut?: boolean }
export interface Point { trace: string; start: number; duration: number; error?: boolean }
export interface Points { points: Point[] | null; more: boolean }

export interface SpanEvent { time: number; name: string; attributes: Attributes }
export interface SpanLink { trace: string; span: string }
export interface Span {
  id: string; parent: string; depth: number; missing?: boolean; service: string; name: string; kind: string;
  error?: boolean; message?: string; start: number; duration: number; own: number; moved?: number;
  attributes: Attributes; resource: Attributes; scope?: string;
  events?: SpanEvent[]; links?: SpanLink[]; linkedBy?: SpanLink[];
}
export interface Piece { span: string; from: number; until: number }
export interface Trace extends Summary { tree: Span[] | null; critical: Piece[] | null; skewed?: boolean }

export interface Log {
  time: number; service: string; instance?: string; severity?: string; body: string;
  trace: string; span: string; attributes: Attributes;
}
export interface Logs { logs: Log[] | null; more: boolean }

export interface MapNode { name: string; kind: 'service' | 'database' | 'external' | 'user'; in: number; out: number; rate: number; errors: number; p50: number; p99: number }
export interface MapEdge { from: string; to: string; kind: 'call' | 'event' | 'query'; labels: string[] | null; count: number; rate: number; errors: number; p50: number; p99: number }
export interface ServiceMap { from: number; until: number; nodes: MapNode[] | null; edges: MapEdge[] | null }

export interface Cause {
  service: string; name: string; kind: string; spans: number; critical: number; own: number; usual: number;
  excess: number; usually: number; errors: number; example: string; detail: string; sentence: string;
}
export interface Why {
  trace: string; service: string; name: string; duration: number; usual: number; others: number; enough: boolean;
  sentence: string; causes: Cause[] | null;
}

export type Series = (number | null)[];
export interface ServiceOverview {
  name: string; ready: number; instances: number; versions: string[] | null; engine?: boolean;
  rate: Series | null; errors: Series | null; p50: Series | null; p99: Series | null;
}
export interface Change { time: number; service: string; kind: string; detail: string }
export interface Overview { from: number; until: number; step: number; services: ServiceOverview[] | null; changes: Change[] | null }

export interface SignalHealth { received: number; stored: number; dropped: Record<string, number> | null; returned: number }
export interface ServiceHealth { received: Record<string, number> | null; dropped: Record<string, number> | null }
export interface Usage { service: string; spans: number; logs: number; bytes: number; oldest: string; removedSpans: number; removedLogs: number }
export interface ExportHealth { endpoint: string; sent: Record<string, number> | null; dropped: Record<string, number> | null; waiting: number; error?: string }
export interface Health {
  since: number; signals: Record<string, SignalHealth> | null; services: Record<string, ServiceHealth> | null;
  usage: Usage[] | null; series: number; export?: ExportHealth; notes: string[] | null;
}

export type SagaState = 'running' | 'waiting' | 'compensating' | 'paused' | 'completed' | 'compensated';
export interface Saga {
  service: string; name: string; id: string; version: number; state: SagaState; undoing: boolean; step: string;
  attempts: number; doubt: boolean; fence: number; seq: number; lost?: number; owner?: string; leased_until?: string; next_at?: string;
  reason?: string; error?: string; created: string; updated: string; trace_parent?: string; loadable: boolean;
}
export interface SagaEvent { seq: number; step: string; direction: 'do' | 'undo'; outcome: string; error?: string; by?: string; why?: string; at: string }
export interface SagaDetail extends Saga { data: unknown; history: SagaEvent[] | null }
export interface Missing { error: string } // names the service
export interface HeldStep { service: string; name: string; step: string; undoing: boolean; outcome: string; error: string; sagas: number; waiting: number; since: string; probe_at?: string }
export interface Sagas { sagas: Saga[] | null; held?: HeldStep[] | null; all: number; counts: Partial<Record<SagaState, number>> | null; missing: Missing[] | null }

export interface Topic { name: string; messages: number; last?: string }
export interface Group { name: string; topics: string[] | null; lag: number; oldest_ns: number; pending: number }
export interface Refused { id: string; event: string; topic: string; key?: string; error: string; appended: string }
export interface Outbox { service: string; waiting: number; oldest_seconds: number; refused: Refused[] | null; more: boolean }
export interface ParkedCount { service: string; group: string; waiting: number; dead: number; oldest_seconds: number; attempts: number }
export interface Dead {
  service: string; id: string; group: string; source: string; event: string; topic: string; key?: string;
  attempts: number; error?: string; dead: boolean; trying: boolean; next: string; parked: string; bytes: number;
}
export interface Queues {
  broker: boolean; topics: Topic[] | null; groups: Group[] | null; parked: ParkedCount[] | null; outboxes: Outbox[] | null;
  dead: Dead[] | null; more: boolean; missing: Missing[] | null;
}

export interface Instance {
  id: string; service: string; version?: string; zone?: string; weight?: number; state: string;
  endpoints: Record<string, string> | null; holder?: string; meta?: Record<string, string> | null;
}
export interface AttemptCounts { ok: number; failed: number; shed: number; unreachable: number; abandoned: number; unmade: number }
export interface RouteCalls {
  route: string; calls: number; failed: number; attempts: AttemptCounts; retries: { repeat: number };
  budget: { denied: number }; hedge?: { second: number }; breaker?: { state: 'closed' | 'open' | 'half-open' };
  bulkhead?: { max: number; in_flight: number; waiting: number; waited: number }; fallback?: { last_good: number; func: number; value: number };
}
export interface InstanceCalls { id: string; state: string; in_flight: number; latency: number; ejected_until?: string; suspect?: boolean } // latency in ns
export interface ServiceCalls { service: string; policy: string; instances: InstanceCalls[] | null; routes: RouteCalls[] | null }
export interface Door {
  limit: number; in_flight: number; waiting: number; last_shed?: string;
  admitted: Record<string, number> | null; shed?: Record<string, Record<string, number> | null> | null;
}
export interface Caller { service: string; instance: string; at: string; calls: ServiceCalls[] | null; admission?: Door; unusual: string[] | null }
export interface Calls { callers: Caller[] | null; missing: Missing[] | null }
export interface Catalog { epoch: string; index: number; services: Record<string, Instance[] | null> | null }

// list reads a Go slice.
export function list<T>(l: T[] | null | undefined): T[] { return l ?? []; }
