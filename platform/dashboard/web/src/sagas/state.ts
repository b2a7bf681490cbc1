import type { Saga, SagaState } from '../api';
import type { Tone } from '../ui';

export const states: { value: SagaState; label: string; tone: Tone }[] = [
  { value: 'paused', label: 'Paused', tone: 'bad' },
  { value: 'compensating', label: 'Compensating', tone: 'warn' },
  { value: 'waiting', label: 'Waiting', tone: 'info' },
  { value: 'running', label: 'Running', tone: 'info' },
  { value: 'completed', label: 'Completed', tone: 'good' },
  { value: 'compensated', label: 'Compensated', tone: 'plain' },
];

export function toneOf(s: SagaState): Tone { return states.find((x) => x.value === s)?.tone ?? 'plain'; }

export function ended(s: Saga): boolean { return s.state === 'completed' || s.state === 'compensated'; }

export function hrefOf(s: Saga): string { return `/sagas/${[s.service, s.name, s.id].map(encodeURIComponent).join('/')}`; }

// traceOf reads the trace of a traceparent (W3C Trace Context): 00-TRACE-SPAN-FLAGS.
export function traceOf(s: Saga): string {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(s.trace_parent ?? '')?.[1] ?? '';
}

// where a saga stands, in words.
export function place(s: Saga): string {
  if (ended(s)) return '';
  return s.undoing ? `undo ${s.step}` : s.step;
}
