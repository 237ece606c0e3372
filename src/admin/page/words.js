// Numbers and times as people read them. Times are UTC, as in the logs.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A count, in full. */
export function count(number) {
  return WHOLE.format(number);
}

/** A number in a narrow place. */
export function short(number) {
  if (number < 10_000) return WHOLE.format(number);
  if (number < 1_000_000) return `${number < 100_000 ? TENTHS.format(number / 1000) : WHOLE.format(number / 1000)} k`;
  return `${TENTHS.format(number / 1_000_000)} M`;
}

/** Records per second. */
export function rate(number) {
  return number > 0 && number < 10 ? TENTHS.format(number) : short(number);
}

/** A share. Little is not nothing, and nearly all is not all. */
export function share(part, whole) {
  if (!whole) return "–";
  const percent = (part / whole) * 100;
  if (part === 0) return "0\u00a0%";
  if (percent < 0.01) return "<\u00a00.01\u00a0%";
  if (part < whole && percent > 99.99) return ">\u00a099.99\u00a0%";
  if (percent < 1 || (percent > 99 && part < whole)) return `${percent.toFixed(2)}\u00a0%`;
  return part === whole ? "100\u00a0%" : `${percent.toFixed(1)}\u00a0%`;
}

/** A span of seconds. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}\u00a0s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return minutes < 5 && whole % 60 ? `${minutes}\u00a0min ${whole % 60}\u00a0s` : `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours}\u00a0h ${minutes % 60}\u00a0min` : `${hours}\u00a0h`;
  return `${Math.floor(hours / 24)} days`;
}

/** The time of a day. */
export function clock(time) {
  return new Date(time).toISOString().slice(11, 19);
}

/** A moment that was: the time, with the day where that is another, and how long ago. */
export function since(time, now) {
  const iso = new Date(time).toISOString();
  const day = iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? "" : `${iso.slice(0, 10)} `;
  return `${day}${iso.slice(11, 19)} UTC, ${span((now - new Date(time)) / 1000)} ago`;
}

/** `1 gate`, `2 gates`. */
export function many(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}
