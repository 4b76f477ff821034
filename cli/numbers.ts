/** 1204332 → "1,204,332". */
export function formatCount(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** A rate in few characters: "950", "98.2 k", "3.41 M". */
export function formatRate(perSecond: number): string {
  if (perSecond < 999.5) return Math.round(perSecond).toString()
  // What would be rounded to 1,000 of a unit is 1 of the next; toPrecision(3) would say "1.00e+3".
  if (perSecond < 999_500) return `${(perSecond / 1_000).toPrecision(3)} k`
  if (perSecond < 999_500_000) return `${(perSecond / 1_000_000).toPrecision(3)} M`
  return `${(perSecond / 1_000_000_000).toFixed(2)} G`
}

/** A count in few characters: "9,950", "98.2 k", "3.41 M". */
export function formatCompact(count: number): string {
  return count < 10_000 ? formatCount(count) : formatRate(count)
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes / 1_024
  let unit = 0
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024
    unit += 1
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]!}`
}
