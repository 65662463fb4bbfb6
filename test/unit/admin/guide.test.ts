// The guide as HTML: every page is there, every link leads to a page and to a heading of it, and no markup is left over.
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { guidePages } from '../../../src/admin/pages/guide.ts'

const pages = [...guidePages().values()]

function found(html: string, pattern: RegExp): string[] {
  return [...html.matchAll(pattern)].map(([, value = '']) => value)
}

test('each page of the guide and the README are there, with a title and a first sentence', () => {
  const files = globSync('data/guide/*.md').map((file) => basename(file, '.md'))
  assert.deepEqual(pages.map(({ name }) => name).toSorted(), [...files, 'readme'].toSorted())
  assert.equal(pages[0]?.name, 'readme')
  for (const { name, title, lead } of pages) {
    assert.match(title, /^[a-z]/i, name)
    assert.match(lead, /^[^`*]+[.:]$/, name)
  }
})

test('each link leads to a page, and to a heading of it', () => {
  let links = 0
  for (const { name, html } of pages) {
    const anchors = new Map(pages.map((page) => [page.name, found(page.html, / id="([^"]+)"/g)]))
    for (const target of found(html, /href="([^"]*)"/g)) {
      if (target.startsWith('https://')) continue
      links++
      const [, page = name, anchor] = /^(?:\/guide\/([a-z-]+))?(?:#(.+))?$/.exec(target) ?? []
      assert.ok(anchors.has(page), `${name}: ${target}`)
      if (anchor) assert.ok(anchors.get(page)?.includes(decodeURI(anchor)), `${name}: ${target}`)
    }
  }
  assert.ok(links > 60, `${links}`)
})

test('the contents of a page name its headings, each once', () => {
  for (const { name, html, parts } of pages) {
    const ids = found(html, / id="([^"]+)"/g)
    assert.equal(new Set(ids).size, ids.length, name)
    assert.deepEqual(
      found(html, /<h2 id="([^"]+)"/g),
      parts.map(({ id }) => id),
      name,
    )
  }
})

test('a link to what the server does not serve is text, and code is escaped', () => {
  const readme = guidePages().get('readme')?.html ?? ''
  assert.match(readme, /<span>[^<]*<\/span>/)
  assert.doesNotMatch(readme, /LICENSE"/)
  const dns = guidePages().get('dns')?.html ?? ''
  assert.match(
    dns,
    /<pre tabindex="0" data-copy="Copy" data-copied="Copied"><code>\[\[dns\.access\]\]/,
  )
  for (const { html } of pages) assert.doesNotMatch(html, /<(script|style|img)|\son\w+=|style=/)
})
