import type { Element, ElementContent, Nodes, Root } from 'hast'

/** A model's links may lead to the web or to a mail program, and nowhere else: not to this page, not to a script. */
export function safeUrl(url: string): string {
  return /^(?:https?:\/\/|mailto:)/i.test(url.trim()) ? url.trim() : ''
}

/**
 * A rehype plugin: no image is ever shown, because fetching it would tell a stranger that it was read (and could carry
 * away what the model was told). It becomes a link with its alternative text, or just the text inside a link.
 */
export function imagesAsLinks(label: string) {
  return () => (tree: Root) => replaceImages(tree, false, label)
}

function replaceImages(node: Nodes, insideLink: boolean, label: string): void {
  if (!('children' in node)) return
  node.children = node.children.map((child) => {
    if (child.type !== 'element') return child
    if (child.tagName === 'img') return imageLink(child, insideLink, label)
    replaceImages(child, insideLink || child.tagName === 'a', label)
    return child
  }) as typeof node.children
}

function imageLink({ properties }: Element, insideLink: boolean, label: string): ElementContent {
  const alt = String(properties.alt ?? '').trim()
  const text: ElementContent = { type: 'text', value: alt ? `${label}: ${alt}` : label }
  const href = safeUrl(String(properties.src ?? ''))
  return href && !insideLink ? { type: 'element', tagName: 'a', properties: { href }, children: [text] } : text
}
