// What the list of traces is about: all of it is in the page's address.
import { withQuery } from '../api';
import type { Route } from '../app/router';
import { readDuration } from './find';
import { readBox, type Box } from './heat';

export interface Filter {
  service: string; operation: string; min: string; max: string; error: boolean; attributes: string[]; box: Box | undefined;
}

export function filterOf(r: Route): Filter {
  return {
    service: r.get('service'), operation: r.get('operation'), min: r.get('min'), max: r.get('max'),
    error: r.get('error') === 'true', attributes: r.params.getAll('attr'), box: readBox(r.get('box')),
  };
}

/** What is wrong with a bound of durations; '' where nothing is. */
export function boundFault(text: string): string {
  return text === '' || readDuration(text) !== undefined ? '' : 'Write 50ms, 1.5s or 2m.';
}

/** The address of what is asked for: of the points, which show the whole time, or of the traces, which the box narrows. */
export function pathOf(what: 'traces' | 'points', f: Filter, from: number, until: number, limit: number, slowest = false): string {
  const box = what === 'traces' ? f.box : undefined;
  // Where nothing tells which spans are meant, a trace is what its first span is.
  const any = ofTraces(f);
  const narrow = box !== undefined || f.min !== '' || f.max !== '';
  return withQuery('/v1/telemetry/' + what, {
    from: Math.floor(box?.from ?? from), until: Math.ceil(box?.until ?? until),
    service: f.service, operation: f.operation, error: f.error, attr: f.attributes,
    min: later(bound(f.min), box?.min), max: sooner(bound(f.max), box?.max),
    root: any && (what === 'points' || narrow || slowest), slowest, limit,
  });
}

/** Whether a filter is about traces as a whole, and not about some of their spans. */
export function ofTraces(f: Filter): boolean { return !f.service && !f.operation && f.attributes.length === 0 && !f.error; }

function bound(text: string): number | undefined { return text === '' ? undefined : readDuration(text); }

function later(a: number | undefined, b: number | undefined): string {
  const ms = Math.max(a ?? 0, b ?? 0);
  return ms > 0 ? micro(ms) : '';
}

function sooner(a: number | undefined, b: number | undefined): string {
  const ms = Math.min(a ?? Infinity, b ?? Infinity);
  return Number.isFinite(ms) ? micro(ms) : '';
}

// Go's durations have no exponents, and a nanosecond is their least.
function micro(ms: number): string { return Math.round(ms * 1e6) + 'ns'; }
