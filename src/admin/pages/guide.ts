// The guide (data/guide) and the README → HTML. Links between the pages lead to /guide/PAGE, each heading has the anchor that
// GitHub gives it, wide tables scroll in their own box, and code can be copied.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import MarkdownIt, { type Token } from 'markdown-it'

export interface GuidePage {
  /** The last part of its path: /guide/NAME. */
  readonly name: string
  readonly title: string
  /** Its first sentence, without markup. */
  readonly lead: string
  /** Without the title. */
  readonly html: string
  /** The headings of its parts. */
  readonly parts: readonly { readonly id: string; readonly text: string }[]
}

const top = join(import.meta.dirname, '../../..')
const folder = join(top, 'data/guide')
/** The order of reading: the first day, then what one looks up. */
const order = [
  'readme operating traps received judging fair-list lists dns transfers',
  'mirror http configuration scale benchmarks classifying developing',
].flatMap((names) => names.split(' '))
const files = new Map(
  [join(top, 'README.md'), ...readdirSync(folder).map((file) => join(folder, file))]
    .map((file) => [basename(file, '.md').toLowerCase(), file] as const)
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)),
)

const markdown = new MarkdownIt({ html: false })
const { escapeHtml } = markdown.utils

/** All pages, in the order of reading. They are rendered at the first call. */
export function guidePages(): ReadonlyMap<string, GuidePage> {
  pages ??= new Map([...files].map(([name, file]) => [name, renderPage(name, file)]))
  return pages
}
let pages: ReadonlyMap<string, GuidePage> | undefined

function renderPage(name: string, file: string): GuidePage {
  const tokens = markdown.parse(readFileSync(file, 'utf8'), {})
  const [titleOpen, title, , , lead] = tokens
  if (titleOpen?.tag !== 'h1') throw new Error(`${file}: expected a title on the first line`)
  const body = tokens.slice(3)
  const parts = nameHeadings(body)
  for (const token of body) rewriteLinks(token)
  return {
    name,
    title: plainText(title),
    lead: plainText(lead).replace(/(?<=\.) .*/s, ''),
    html: markdown.renderer.render(body, markdown.options, {}),
    parts,
  }
}

/** Gives each heading its anchor, and each table the name of the part that it stands in. Returns the headings of level 2. */
function nameHeadings(tokens: readonly Token[]): GuidePage['parts'] {
  const parts: { id: string; text: string }[] = []
  let part = 'Introduction'
  let tables = 0
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'heading_open') {
      part = plainText(tokens[index + 1])
      token.attrSet('id', anchorOf(part))
      if (token.tag === 'h2') parts.push({ id: anchorOf(part), text: part })
    }
    if (token.type === 'table_open') token.meta = { label: `${part}, table ${++tables}` }
  }
  return parts
}

/** The anchor that GitHub gives to a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

function rewriteLinks({ children }: Token): void {
  for (const [index, token] of (children ?? []).entries()) {
    if (token.type !== 'link_open') continue
    const target = pathOf(String(token.attrGet('href')))
    if (target !== undefined) {
      token.attrSet('href', target)
      continue
    }
    // What the server does not serve, such as the licence, is named without a link.
    token.attrs = []
    token.tag = 'span'
    const end = children?.slice(index).find(({ type }) => type === 'link_close')
    if (end !== undefined) end.tag = 'span'
  }
}

/** Where a link leads on the server; undefined: nowhere. */
function pathOf(target: string): string | undefined {
  if (/^(https?:|#)/.test(target)) return target
  const [path = '', anchor] = target.split('#')
  const name = basename(path, '.md').toLowerCase()
  if (!path.endsWith('.md') || !files.has(name)) return undefined
  return anchor === undefined ? `/guide/${name}` : `/guide/${name}#${anchor}`
}

function plainText(token: Token | undefined): string {
  return (token?.children ?? [])
    .map(({ type, content }) => (type === 'softbreak' ? ' ' : content))
    .join('')
}

markdown.renderer.rules['table_open'] = (tokens, index) =>
  `<div class="table" role="region" tabindex="0" aria-label="${escapeHtml(String(tokens[index]?.meta?.['label']))}"><table>`
markdown.renderer.rules['table_close'] = () => '</table></div>'
// Pictures are for readers of the files. The server has the pages that they show.
markdown.renderer.rules['image'] = (tokens, index) => escapeHtml(tokens[index]?.content ?? '')
markdown.renderer.rules['fence'] = (tokens, index) =>
  `<div class="code"><pre tabindex="0" data-copy="Copy" data-copied="Copied"><code>${escapeHtml(tokens[index]?.content ?? '')}</code></pre></div>\n`
