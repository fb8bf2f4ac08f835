// Figures in words.

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** `12,345` */
export const count = (value: number): string => plain.format(value);

/** `1 viewer`, `2 viewers` */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** The parts that say something: `2 running, 5 waiting` */
export const joined = (parts: string[]): string => parts.filter((part) => part !== '').join(', ');

/** Bits a second: `0`, `850 kbit/s`, `4.2 Mbit/s` */
export function bitrate(bits: number): string {
  return bits === 0 ? '0' : `${scaled(bits, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'])}`;
}

/** Bytes: `512 B`, `1.4 GB` */
export const bytes = (value: number): string => scaled(value, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);

function scaled(value: number, step: number, units: string[]): string {
  let [left, at] = [value, 0];
  // A value that would be rounded up to 1000 has the next unit.
  while (left >= step - 0.5 && at < units.length - 1) {
    left /= step;
    at += 1;
  }
  const digits = left < 10 && at > 1 ? 1 : 0;
  return `${left.toFixed(digits)} ${units[at]}`;
}

/** Seconds: `8 s`, `12 min`, `3 h 20 min`, `2 d 4 h` */
export function duration(seconds: number): string {
  const whole = Math.max(Math.floor(seconds), 0);
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days > 0) {
    return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  }
  if (hours > 0) {
    return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  }
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

/** An instant of the server in the time of whoever reads it. */
export const moment = (instant: string): string => clock.format(new Date(instant));

const hours = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** `18:30`, in the time of whoever reads it. */
export const timeOfDay = (instant: string): string => hours.format(new Date(instant));

export const date = (instant: string): string => day.format(new Date(instant));

/** `just now`, `5 min ago` */
export function ago(instant: string, now = Date.now()): string {
  const seconds = (now - Date.parse(instant)) / 1000;
  return seconds < 60 ? 'just now' : `${duration(seconds)} ago`;
}
