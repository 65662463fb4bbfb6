// The stream of live figures: who may read it, and that it ends with the session and with the server.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { type Server, Site } from '../support/server.ts'

interface Signed {
  readonly site: Site
  readonly server: Server
  readonly url: string
  readonly cookie: string
}

async function signedIn(t: TestContext): Promise<Signed> {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration('[admin]\nlisten = "127.0.0.1:0"\n'))
  const server = await site.start()
  const url = `http://${server.admin}`
  return { site, server, url, cookie: await signIn(site, url, 'desk') }
}

/** Signs in with a new key of this name. Returns the cookie. */
async function signIn(site: Site, url: string, name: string): Promise<string> {
  const made = await site.run('key', 'create', '--name', name, '--scope', 'read', '--json')
  const { key } = JSON.parse(made.stdout)
  const reply = await post(`${url}/dashboard/sign-in`, '', new URLSearchParams({ key }))
  const [cookie = ''] = (reply.headers.get('set-cookie') ?? '').split(';')
  return cookie
}

function post(url: string, cookie: string, body?: URLSearchParams): Promise<Response> {
  const headers = { 'sec-fetch-site': 'same-origin', cookie }
  return fetch(url, { method: 'POST', redirect: 'manual', headers, ...(body && { body }) })
}

/** Reads the stream until it ends; `seen` is called with all that has come each time that more comes. */
async function readEvents(
  { url, cookie }: Signed,
  seen: (text: string) => void = () => undefined,
): Promise<string> {
  const reply = await fetch(`${url}/dashboard/events`, { headers: { cookie } })
  assert.equal(reply.status, 200)
  assert.equal(reply.headers.get('content-type'), 'text/event-stream')
  assert.equal(reply.headers.get('cache-control'), 'no-store')
  let text = ''
  for await (const chunk of reply.body ?? []) {
    text += Buffer.from(chunk).toString()
    seen(text)
  }
  return text
}

test('the stream tells the history, the parts and a sample each second, and ends after the sign-out', async (t) => {
  const signed = await signedIn(t)
  let isSignedOut = false
  const text = await readEvents(signed, (all) => {
    if (isSignedOut || all.split('event: sample').length < 3) return
    isSignedOut = true
    void post(`${signed.url}/dashboard/sign-out`, signed.cookie)
  })
  const names = [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)
  assert.deepEqual(names.slice(0, 3), ['history', 'parts', 'evidence'])
  assert.equal(names.at(-1), 'signed-out')
  const [, history = ''] = /^event: history\ndata: (.*)$/m.exec(text) ?? []
  assert.equal(JSON.parse(history).labels.length, 5)
  const refused = await fetch(`${signed.url}/dashboard/events`, {
    headers: { cookie: signed.cookie },
  })
  assert.equal(refused.status, 401)
})

test('the stream ends when the server does, which it does not delay', async (t) => {
  const signed = await signedIn(t)
  let ended: ReturnType<Server['kill']> | undefined
  const text = await readEvents(signed, (all) => {
    if (all.includes('event: sample')) ended ??= signed.server.kill('SIGTERM')
  })
  assert.match(text, /event: sample/)
  assert.deepEqual(await ended, { code: 0, signal: null })
})

test('HEAD leaves no stream open', async (t) => {
  const { url, cookie } = await signedIn(t)
  const path = `${url}/dashboard/events`
  // One key may have 8 streams open.
  for (let times = 0; times < 9; times++) {
    const { status, headers } = await fetch(path, { method: 'HEAD', headers: { cookie } })
    assert.deepEqual([status, headers.get('content-type')], [200, 'text/event-stream'])
  }
})

test('8 streams of one key and 32 in all are open at once, and one that is closed makes room', async (t) => {
  const first = await signedIn(t)
  const { site, url } = first
  const open = async (cookie: string) => {
    const controller = new AbortController()
    const { signal } = controller
    const reply = await fetch(`${url}/dashboard/events`, { headers: { cookie }, signal })
    // fetch ends a stream whose reply nobody holds.
    return { controller, reply, status: reply.status }
  }
  const cookies = [first.cookie]
  for (const name of ['b', 'c', 'd', 'e']) cookies.push(await signIn(site, url, name))
  const [most = [], last = ''] = [cookies.slice(0, 4), cookies.at(-1)]
  const streams = await Promise.all(
    most.flatMap((cookie) => Array.from({ length: 8 }, () => open(cookie))),
  )
  assert.deepEqual(new Set(streams.map(({ status }) => status)), new Set([200]))
  assert.equal((await open(last)).status, 503)
  streams[0]?.controller.abort()
  streams[1]?.controller.abort()
  let others = await open(last)
  while (others.status === 503) others = await open(last)
  // One more is closed, so there is room in all, and the other three keys still have their eight.
  assert.equal((await open(cookies[1] ?? '')).status, 503)
  for (const { controller } of [...streams, others]) controller.abort()
})
