import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, it } from 'vitest'
import Markdown from './Markdown'

const render = (text: string) => renderToStaticMarkup(<Markdown text={text} />)

describe('untrusted Markdown', () => {
  it.each([
    ['a script', '<script>alert(1)</script>'],
    ['an event handler', '<b onmouseover="alert(1)">x</b>'],
    ['an image in HTML', '<img src="https://evil.example/x.png" onerror="alert(1)">'],
    ['an image', '![cat](https://evil.example/x.png)'],
    ['an image by reference', '![cat][1]\n\n[1]: https://evil.example/x.png'],
    ['an image inside a link', '[![cat](https://evil.example/x.png)](https://example.org)'],
    ['a data: image', '![cat](data:image/png;base64,AAAA)'],
    ['an svg data: image', '![x](data:image/svg+xml,<svg onload=alert(1)>)'],
    ['an iframe', '<iframe src="https://evil.example"></iframe>'],
    ['a style', '<style>@import "https://evil.example/x.css"</style>'],
    ['a TeX image', '$\\includegraphics{https://evil.example/x.png}$'],
    ['a TeX style', '$\\htmlStyle{background:url(https://evil.example)}{x}$'],
  ])('loads and runs nothing: %s', (_, text) => {
    expect(render(text)).not.toMatch(/<(?:img|script|iframe|style|object|embed|link)\b|<[^>]+(?:\s(?:on\w+|src)=|url\()/i)
  })

  it.each([
    'javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'java\tscript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd',
    '/api/export', '#/c/conv_1', '//evil.example', 'blob:x',
  ])('makes no link of %s', (url) => {
    expect(render(`[x](<${url}>)`)).not.toContain('href')
    expect(render(`![x](<${url}>)`)).not.toContain('href')
  })

  it('makes no unsafe link in a formula', () => {
    expect(render('$\\href{javascript:alert(1)}{x}$')).not.toContain('href="')
  })

  it('opens links apart and unnamed', () => {
    for (const url of ['https://example.org/', 'http://example.org/', 'mailto:a@example.org']) {
      expect(render(`[x](${url})`)).toContain(`<a href="${url}" target="_blank" rel="noopener noreferrer nofollow">x</a>`)
    }
  })

  it('shows an image as a link with its text', () => {
    expect(render('![a cat](https://example.org/cat.png)')).toMatch(/<a href="https:\/\/example\.org\/cat\.png"[^>]*>[^<]*a cat<\/a>/)
  })

  it('gives no id to what a model writes', () => {
    expect(render('# Title\n\na[^1]\n\n[^1]: note')).not.toMatch(/\sid="/)
  })
})

describe('Markdown', () => {
  it('renders tables, code and formulas', () => {
    expect(render('| a |\n|---|\n| b |')).toContain('<td>b</td>')
    expect(render('```python\nreturn 1\n```')).toContain('hljs-keyword')
    expect(render('$x^2$')).toContain('katex')
    expect(render('\\[ x \\]')).toContain('katex-display')
  })

  it('closes emphasis next to Chinese punctuation', () => {
    expect(render('**“引用”**之后')).toContain('<strong>“引用”</strong>')
  })
})
