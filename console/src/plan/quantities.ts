/** Quantities as people write them, as `feilun.plan.quantities` reads them. */

const SCALES: Record<string, number> = { '': 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12, 千: 1e3, 万: 1e4, 亿: 1e8, 万亿: 1e12 }
const DAYS: Record<string, number> = { '': 1, h: 1 / 24, d: 1, w: 7, y: 365.25, 小时: 1 / 24, 天: 1, 周: 7, 年: 365.25 }
const NUMBER = /^\s*[$¥]?\s*(\d[\d,_]*(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*(.*?)\s*$/i

function parsed(text: string, units: Record<string, number>): number | null {
  const [, digits, unit] = NUMBER.exec(text) ?? []
  const scale = units[unit?.toLowerCase() ?? '']
  const value = digits === undefined || scale === undefined ? Number.NaN : Number(digits.replace(/[,_]/g, '')) * scale
  return value > 0 && value < Infinity ? value : null
}

/** `175B` is 1.75e11; null of what is no quantity. */
export const parseCount = (text: string): number | null => parsed(text, SCALES)

/** `8k` is 8192, as context lengths are meant. */
export function parseContext(text: string): number | null {
  const kilo = /^\s*(\d+(?:\.\d+)?)\s*k\s*$/i.exec(text)?.[1]
  return kilo ? Math.round(Number(kilo) * 1024) : parseCount(text)
}

export const parseDollars = (text: string): number | null => parsed(text.replace(/usd|\$|美元/gi, ''), SCALES)

/** `30d`, `2w`; a bare number counts days. */
export const parseDays = (text: string): number | null => parsed(text, DAYS)

const digits = (value: number, most = 3): string => String(Number(value.toPrecision(most)))

/** `175B`: so many digits and a scale, to be read by people and by the planner. */
export function short(value: number, most = 3): string {
  for (const [size, letter] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']] as const) {
    // 999.96e6 with three digits is 1B, not 1000M.
    if (Number(value.toPrecision(most)) >= size) return digits(value / size, most) + letter
  }
  return digits(value, most)
}

/** Whole below ten million, where devices are counted. */
export const counted = (value: number): string => (value < 1e7 ? Math.round(value).toLocaleString('en') : short(value))

/** A context of tokens: `8k` is 8192. */
export const shortContext = (value: number): string => (value >= 1024 && value % 1024 === 0 ? `${value / 1024}k` : String(Math.round(value)))

export function usd(value: number): string {
  if (value >= 1e6) return `$${short(value)}`
  return value >= 100 ? `$${Math.round(value).toLocaleString('en')}` : `$${digits(value)}`
}

export function gigabytes(value: number): string {
  if (value >= 1e6) return `${digits(value / 1e6)} PB`
  if (value >= 1e3) return `${digits(value / 1e3)} TB`
  return `${digits(value)} GB`
}

/** Energy of so many megawatt-hours. */
export function energy(mwh: number): string {
  if (mwh >= 1e6) return `${digits(mwh / 1e6)} TWh`
  if (mwh >= 1e3) return `${digits(mwh / 1e3)} GWh`
  return mwh >= 1 ? `${digits(mwh)} MWh` : mwh >= 1e-3 ? `${digits(mwh * 1e3)} kWh` : `${digits(mwh * 1e6)} Wh`
}

export function power(mw: number): string {
  if (mw >= 1e3) return `${digits(mw / 1e3)} GW`
  return mw >= 1 ? `${digits(mw)} MW` : mw >= 1e-3 ? `${digits(mw * 1e3)} kW` : `${digits(mw * 1e6)} W`
}

export type Span = 'years' | 'days' | 'hours' | 'minutes' | 'seconds'

/** Days in the unit that reads best. */
export function span(days: number): [string, Span] {
  if (days >= 730) return [short(days / 365.25), 'years']
  if (days >= 2) return [digits(days), 'days']
  if (days >= 1 / 12) return [digits(days * 24), 'hours']
  if (days >= 1 / 720) return [digits(days * 1440), 'minutes']
  return [digits(days * 86400), 'seconds']
}

export const percent = (share: number): string => `${digits(share * 100)}%`
