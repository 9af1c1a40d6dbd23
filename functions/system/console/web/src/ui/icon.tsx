// Line icons on a grid of 24. Drawn here, because icon fonts and emoji are missing on some machines.
const paths = {
  alert: 'M12 4 2.8 19.5h18.4zM12 10v4.5M12 17.2v.1',
  back: 'M19 12H5M11 6l-6 6 6 6',
  chat: 'M4 5.5h16v11H11l-4.5 3.5v-3.5H4z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9',
  down: 'M12 5v14M6 13l6 6 6-6',
  download: 'M12 4v11M7 10.5l5 5 5-5M4.5 19.5h15',
  edit: 'M4.5 19.5l1-4L16 5l3 3L8.5 18.5zM14 7l3 3',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  file: 'M6 3.5h8l4 4v13H6zM14 3.5v4h4',
  globe: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.5 12h17M12 3.5c5 5 5 12 0 17-5-5-5-12 0-17',
  leave: 'M10 4.5H5v15h5M14 8l4 4-4 4M9 12h9',
  link: 'M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1',
  mail: 'M3.5 6h17v12.5h-17zM3.5 7l8.5 6.5L20.5 7',
  menu: 'M4 7h16M4 12h16M4 17h16',
  monitor: 'M3.5 5h17v11h-17zM9 20h6M12 16v4',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
  next: 'M9 6l6 6-6 6',
  play: 'M7 4.5l12 7.5-12 7.5z',
  plus: 'M12 5v14M5 12h14',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4v5h-5',
  runs: 'M4 6.5l1.5 1.5L8.5 5M4 12.5l1.5 1.5 3-3M4 18.5l1.5 1.5 3-3M12 7h8M12 13h8M12 19h8',
  send: 'M12 19V5.5M6 11l6-6 6 6',
  skip: 'M5 6l7 6-7 6zM17 6v12',
  stop: 'M7 7h10v10H7z',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  tasks: 'M4 6h16v14H4zM4 10.5h16M8.5 3.5V7M15.5 3.5V7M9 15.5l2 2 4-4',
  terminal: 'M4 6.5l5 5-5 5M11.5 18H20',
  trash: 'M4.5 7h15M9.5 7V4h5v3M6.5 7l1 13h9l1-13M10.5 11v5.5M13.5 11v5.5',
  undo: 'M8.5 5L4 9.5 8.5 14M4 9.5h10.5a5 5 0 0 1 0 10H9',
  user: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5',
  question: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.5c-.8.4-1 .9-1 1.7M12 16.5v.1',
} as const

export type IconName = keyof typeof paths

/** An icon in the size and colour of the text around it. It says nothing to screen readers. */
export function Icon({ of, class: extra = '' }: { of: IconName; class?: string }) {
  return <svg class={`icon ${extra}`} viewBox="0 0 24 24" aria-hidden="true"><path d={paths[of]} /></svg>
}

/** The mark of the product. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M16 5.5c.7 4.2 6.4 6.5 6.4 12.6A6.4 6.4 0 0 1 16 24.6a6.4 6.4 0 0 1-6.4-6.5c0-2.7 1.3-4.6 2.8-6 .3 1.7 1 2.6 1.9 3 .2-2.7.4-6 1.7-9.6zM8.5 27.2h15" />
    </svg>
  )
}
