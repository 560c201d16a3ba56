/**
 * A parser for server-sent events as far as completions need them: the data of each event.
 * Feed it text in any pieces; it copes with CRLF, CR, comments, several data lines and a cut in any place.
 */
export class SseParser {
  private rest = ''
  private data: string[] = []
  private sawCr = false

  push(text: string): string[] {
    const events: string[] = []
    // The LF of a CRLF whose CR ended the piece before.
    if (this.sawCr && text.startsWith('\n')) text = text.slice(1)
    if (text) this.sawCr = text.endsWith('\r')
    const lines = (this.rest + text).split(/\r\n|\n|\r/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (this.data.length) events.push(this.data.join('\n'))
        this.data = []
      } else if (line.startsWith('data:')) {
        this.data.push(line.slice(line[5] === ' ' ? 6 : 5))
      }
      // Comments (":...") and other fields mean nothing to us.
    }
    return events
  }
}

export const DONE = '[DONE]'

/** The data of each event of a response body, until [DONE] or the end. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const parser = new SseParser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      for (const data of parser.push(decoder.decode(value, { stream: true }))) {
        if (data === DONE) return
        yield data
      }
    }
  } finally {
    // Also reached when the caller stops early: then the server must learn of it.
    reader.cancel().catch(() => {})
  }
}
