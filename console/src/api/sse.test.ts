import { describe, expect, it } from 'vitest'
import { readEvents, SseParser } from './sse'

function parse(...pieces: string[]): string[] {
  const parser = new SseParser()
  return pieces.flatMap((piece) => parser.push(piece))
}

function body(pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<string[]> {
  const events: string[] = []
  for await (const event of readEvents(stream)) events.push(event)
  return events
}

describe('SseParser', () => {
  it('reads one event', () => {
    expect(parse('data: {"a":1}\n\n')).toEqual(['{"a":1}'])
  })

  it('gives the same events wherever the text is cut', () => {
    const text = ': ping\r\n\r\ndata: one\r\n\r\ndata:two\n\ndata: three\r\rdata: a\ndata: b\n\n'
    for (let cut = 0; cut <= text.length; cut++) {
      expect(parse(text.slice(0, cut), text.slice(cut)), `cut at ${cut}`).toEqual(['one', 'two', 'three', 'a\nb'])
    }
    expect(parse(...text)).toEqual(['one', 'two', 'three', 'a\nb'])
  })

  it('ignores comments and other fields', () => {
    expect(parse(': keep-alive\n\nevent: x\nid: 3\nretry: 5\ndata: y\n\n')).toEqual(['y'])
  })

  it('keeps an unfinished event back', () => {
    expect(parse('data: half\n')).toEqual([])
  })
})

describe('readEvents', () => {
  const encode = (text: string) => new TextEncoder().encode(text)

  it('stops at [DONE]', async () => {
    expect(await collect(body([encode('data: 1\n\ndata: [DONE]\n\ndata: 2\n\n')]))).toEqual(['1'])
  })

  it('joins a character that was cut in its bytes', async () => {
    const bytes = encode('data: 飞轮\n\n')
    expect(await collect(body([bytes.slice(0, 7), bytes.slice(7)]))).toEqual(['飞轮'])
  })

  it('cancels the body when the reader goes away', async () => {
    let cancelled = false
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(encode('data: x\n\n')),
      cancel: () => {
        cancelled = true
      },
    })
    for await (const _ of readEvents(endless)) break
    await Promise.resolve()
    expect(cancelled).toBe(true)
  })
})
