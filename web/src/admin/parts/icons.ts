// The icons: strokes in a square of 24.

export const ICONS = {
  pulse: 'M3 12h4l3-7 4 14 3-7h4',
  channels: 'M4 6h16v11H4zM9 21h6',
  list: 'M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01',
  import: 'M12 4v10M8 10l4 4 4-4M5 19h14',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6M18 14.2a6.5 6.5 0 0 1 3.5 5.8',
  key: 'M8 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9M12.2 12H21v4M17 12v3',
  ticket: 'M4 7h16v3a2 2 0 0 0 0 4v3H4v-3a2 2 0 0 0 0-4zM14 7v10',
  qr: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 14h2M14 20h2M19 18v2',
  audit: 'M6 3h9l4 4v14H6zM10 11h5M10 15h5',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'm6 6 12 12M18 6 6 18',
  down: 'm6 9 6 6 6-6',
  right: 'm9 5 7 7-7 7',
  plus: 'M12 5v14M5 12h14',
  pin: 'M9 4h6l-1 6 4 4H6l4-4zM12 14v7',
  skip: 'M6 5v14l8-7zM18 5v14',
  block: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16M6.5 6.5l11 11',
  play: 'M8 5v14l11-7z',
  pause: 'M8 5v14M16 5v14',
  save: 'M12 3v11M7.5 10l4.5 4.5 4.5-4.5M4 17v3h16v-3',
  search: 'M11 17a6 6 0 1 0 0-12 6 6 0 0 0 0 12M15.5 15.5 20 20',
  pencil: 'M4 20l1-4L16 5l3 3L8 19z',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  refresh: 'M20 11a8 8 0 0 0-14-4L4 9M4 4v5h5M4 13a8 8 0 0 0 14 4l2-2M20 20v-5h-5',
  out: 'M10 4H4v16h6M14 8l4 4-4 4M18 12H9',
  up: 'm6 15 6-6 6 6',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
} as const;

export type IconName = keyof typeof ICONS;
