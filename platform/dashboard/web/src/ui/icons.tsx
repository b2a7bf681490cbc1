// Icons of one hand: 16 px, drawn in lines of 1.5, in the colour of the text.
const paths = {
  overview: 'M2.5 2.5h4.5v6h-4.5zM9 2.5h4.5v3h-4.5zM9 7.5h4.5v6h-4.5zM2.5 10.5h4.5v3h-4.5z',
  map: 'M4 3.5a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3M12 2a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3M11 11a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3M5.5 4.6l5-.8M4.9 6.2l5.1 5.2M11.8 5l-.6 6',
  traces: 'M2.5 3.5h8M5 6.5h8.5M5 9.5h4.5M7.5 12.5h6',
  logs: 'M2.5 3.5h11M2.5 6.5h7.5M2.5 9.5h11M2.5 12.5h5.5',
  metrics: 'M2.5 2.5v11h11M4.8 10.5l2.6-3.4 2.2 1.9 3.6-4.8',
  sagas: 'M3.5 4.5h5.5a3 3 0 0 1 0 6h-5.5M5.5 8.5l-2 2 2 2M12.8 4.5h.2',
  queues: 'M2.5 5h2.5v6h-2.5zM6.75 5h2.5v6h-2.5zM11 5h2.5v6h-2.5z',
  registry: 'M8 2l5.5 3-5.5 3-5.5-3zM2.5 8l5.5 3 5.5-3M2.5 11l5.5 3 5.5-3',
  health: 'M1.5 8.5h3l1.8-5 3.2 9 1.9-4h3.1',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.4 10.4l3.1 3.1',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  moon: 'M13.2 9.6a5.6 5.6 0 0 1-6.8-6.8a5.6 5.6 0 1 0 6.8 6.8z',
  close: 'M4 4l8 8M12 4l-8 8',
  chevron: 'M6 3.5l4.5 4.5-4.5 4.5',
  down: 'M3.5 6l4.5 4.5 4.5-4.5',
  left: 'M10 3.5l-4.5 4.5 4.5 4.5',
  check: 'M3 8.5l3.2 3.2 6.8-7.2',
  alert: 'M8 2.2l6 11h-12zM8 6.5v3M8 11.4v.1',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.3v2.6h-2.6',
  play: 'M5 3l8 5-8 5z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  link: 'M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2a2.6 2.6 0 0 0-3.7-3.7l-.8.8M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2.2 2.2a2.6 2.6 0 0 0 3.7 3.7l.8-.8',
  clock: 'M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M8 4.8v3.4l2.3 1.4',
  plus: 'M8 3v10M3 8h10',
  help: 'M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M6.3 6.3a1.8 1.8 0 1 1 2.5 1.7c-.6.3-.8.6-.8 1.3M8 11.3v.1',
  database: 'M3 4a5 2 0 1 0 10 0a5 2 0 1 0-10 0M3 4v8a5 2 0 0 0 10 0v-8M3 8a5 2 0 0 0 10 0',
  user: 'M8 2.5a2.7 2.7 0 1 0 0 5.4a2.7 2.7 0 1 0 0-5.4M2.8 13.8a5.2 5.2 0 0 1 10.4 0',
  globe: 'M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M2 8h12M8 2c-4 4-4 8 0 12M8 2c4 4 4 8 0 12',
  rail: 'M2.5 3h11v10h-11zM6.2 3v10',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  zoomOut: 'M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.4 10.4l3.1 3.1M5 7h4',
  fit: 'M2.5 6v-3.5h3.5M10 2.5h3.5v3.5M13.5 10v3.5h-3.5M6 13.5h-3.5v-3.5',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
