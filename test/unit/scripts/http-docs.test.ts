import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { httpPage, withCalls } from '../../../scripts/http-docs.ts'

test('the guide’s table of calls is that of the routes (npm run http-docs)', async () => {
  const page = readFileSync(httpPage, 'utf8')
  assert.equal(page, await withCalls(page))
  assert.ok(page.includes('| `POST /v1/listings` | List by hand | write |'))
})
