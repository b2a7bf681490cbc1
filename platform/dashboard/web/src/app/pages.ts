import type { IconName } from '../ui';

export interface PageEntry { path: string; name: string; icon: IconName; key: string; group: string }

// pages are those of the rail. /metrics is Prometheus' scrape address, so the page of the
// metrics is at /explore.
export const pages: PageEntry[] = [
  { path: '/', name: 'Overview', icon: 'overview', key: 'o', group: '' },
  { path: '/map', name: 'Map', icon: 'map', key: 'm', group: '' },
  { path: '/traces', name: 'Traces', icon: 'traces', key: 't', group: 'Telemetry' },
  { path: '/logs', name: 'Logs', icon: 'logs', key: 'l', group: 'Telemetry' },
  { path: '/explore', name: 'Metrics', icon: 'metrics', key: 'x', group: 'Telemetry' },
  { path: '/sagas', name: 'Sagas', icon: 'sagas', key: 's', group: 'Operations' },
  { path: '/queues', name: 'Queues', icon: 'queues', key: 'q', group: 'Operations' },
  { path: '/registry', name: 'Registry', icon: 'registry', key: 'r', group: 'Operations' },
  { path: '/health', name: 'Telemetry health', icon: 'health', key: 'h', group: 'Operations' },
];
