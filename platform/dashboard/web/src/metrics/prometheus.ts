// Questions to Prometheus' HTTP API.
import { ApiError, ask, withQuery } from '../api';
import type { Matrix } from './range';

interface Answer<T> { status: string; data: T; warnings?: string[]; infos?: string[] }

export interface Result {
  resultType: 'matrix' | 'vector' | 'scalar' | 'string';
  result: unknown;
}

export interface Sample { metric: Record<string, string>; value?: [number, string]; histogram?: [number, { count: string; sum: string }] }

async function get<T>(path: string, params: Record<string, string | number | string[] | undefined>, signal?: AbortSignal): Promise<Answer<T>> {
  const url = withQuery(path, params);
  // What does not fit into an address is sent as a form, as Prometheus takes it, too.
  if (url.length < 4000) return ask<Answer<T>>(url, { signal, timeout: 30_000 });
  return ask<Answer<T>>(path, { signal, timeout: 30_000, method: 'POST', body: url.slice(path.length + 1), headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
}

export interface RangeAnswer { series: Matrix[]; warnings: string[] }

export async function queryRange(query: string, start: number, end: number, step: number, signal?: AbortSignal): Promise<RangeAnswer> {
  const a = await get<Result>('/api/v1/query_range', { query, start, end, step }, signal);
  return { series: (a.data.result as Matrix[] | null) ?? [], warnings: [...(a.warnings ?? []), ...(a.infos ?? [])] };
}

export async function queryAt(query: string, time: number, signal?: AbortSignal): Promise<{ samples: Sample[]; warnings: string[] }> {
  const a = await get<Result>('/api/v1/query', { query, time }, signal);
  const warnings = [...(a.warnings ?? []), ...(a.infos ?? [])];
  switch (a.data.resultType) {
    case 'scalar': case 'string': return { samples: [{ metric: {}, value: a.data.result as [number, string] }], warnings };
    case 'matrix': return { samples: (a.data.result as Matrix[]).map((m) => ({ metric: m.metric, value: m.values?.[m.values.length - 1] })), warnings };
    default: return { samples: (a.data.result as Sample[] | null) ?? [], warnings };
  }
}

export async function names(path: string, params: Record<string, string | string[] | undefined> = {}): Promise<string[]> {
  return (await get<string[] | null>(path, params)).data ?? [];
}

export type Metadata = Record<string, { type: string; help: string; unit: string }[]>;

export async function metadata(): Promise<Metadata> {
  return (await get<Metadata | null>('/api/v1/metadata', {})).data ?? {};
}

/** What Prometheus finds wrong with a query, without running it; '' where nothing is, or it cannot be told. */
export async function check(query: string, signal: AbortSignal): Promise<string> {
  try {
    await get<string>('/api/v1/format_query', { query }, signal);
    return '';
  } catch (e) {
    return e instanceof ApiError && e.status === 400 ? e.message : '';
  }
}
