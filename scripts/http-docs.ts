// Writes the table of calls in data/guide/http.md from the routes of the HTTP interface. A test checks that it is current.
// Run: npm run http-docs
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describeInterface } from './openapi.ts'

export const httpPage = resolve(import.meta.dirname, '../data/guide/http.md')

const tableStart = '<!-- what follows is made by npm run http-docs -->'
const tableEnd = '<!-- end of what is made -->'

interface Operation {
  readonly summary: string
  readonly 'x-scope': string
}

/** The page with a new table: a row for each call, in the order of their paths. */
export async function withCalls(page: string): Promise<string> {
  const { paths } = (await describeInterface()) as {
    paths: Record<string, Record<string, Operation>>
  }
  const rows = Object.entries(paths)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { summary, 'x-scope': scope }]) => {
        const who = scope === 'public' ? '–' : scope
        return `| \`${method.toUpperCase()} ${path}\` | ${summary} | ${who} |`
      }),
    )
  const table = ['| call | what it is for | scope |', '|---|---|---|', ...rows].join('\n')
  const before = page.slice(0, page.indexOf(tableStart))
  const after = page.slice(page.indexOf(tableEnd))
  return `${before}${tableStart}\n\n${table}\n\n${after}`
}

if (import.meta.main) writeFileSync(httpPage, await withCalls(readFileSync(httpPage, 'utf8')))
