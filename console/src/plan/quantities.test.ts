import { describe, expect, it } from 'vitest'
import { energy, gigabytes, parseContext, parseCount, parseDays, parseDollars, short, shortContext, span, usd } from './quantities'

describe('quantities', () => {
  it.each([['175B', 175e9], ['2.5T', 2.5e12], ['350M', 3.5e8], ['70亿', 7e9], ['1,024', 1024], ['1e9', 1e9], ['.5k', 500]])('are read as the planner reads them: %s', (text, value) => {
    expect(parseCount(text)).toBeCloseTo(value, 5)
  })

  it.each(['', 'many', '-5B', '0', '5 apples', '1e999', '1..8'])('are not guessed: %s', (text) => {
    expect(parseCount(text)).toBeNull()
  })

  it('have units of their own', () => {
    expect(parseContext('8k')).toBe(8192)
    expect(parseContext('3000')).toBe(3000)
    expect(parseDollars('$2M')).toBe(2e6)
    expect(parseDollars('50000USD')).toBe(50000)
    expect(parseDays('36h')).toBe(1.5)
    expect(parseDays('2周')).toBe(14)
  })

  it('are written so that they are read as the same', () => {
    for (const value of [1, 950, 1024, 1.75e11, 7e6, 9.99e12, 1.2e14]) expect(parseCount(short(value, 4))).toBeCloseTo(value, -1)
    for (const value of [512, 8192, 1 << 20]) expect(parseContext(shortContext(value))).toBe(value)
  })

  it('take the next scale rather than four digits', () => {
    expect(short(999_960_000)).toBe('1B')
    expect(short(1.75e11)).toBe('175B')
  })

  it('are money, bytes, energy and time', () => {
    expect([usd(2_554_274), usd(49_999.6), usd(0.00658)]).toEqual(['$2.55M', '$50,000', '$0.00658'])
    expect([gigabytes(80), gigabytes(18_000), gigabytes(2e6)]).toEqual(['80 GB', '18 TB', '2 PB'])
    expect([energy(476), energy(0.0123), energy(93_100), energy(8.41e7)]).toEqual(['476 MWh', '12.3 kWh', '93.1 GWh', '84.1 TWh'])
    expect([span(36.7), span(1), span(800), span(1 / 86400)]).toEqual([['36.7', 'days'], ['24', 'hours'], ['2.19', 'years'], ['1', 'seconds']])
  })
})
