// Sessions of browsers over HTTP: who may begin one, what ends it, what its cookie says, and that no other site can use it.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { KeyScope } from '../../../src/store/keys.ts'
import { type Admin, openAdmin } from '../../support/admin.ts'

const hour = 3600
const sameOrigin = { 'sec-fetch-site': 'same-origin' }
const listing = { prefix: '203.0.113.9/32' }

interface Signed {
  readonly admin: Admin
  readonly id: number
  readonly key: string
  readonly cookie: string
}

async function makeKey(admin: Admin, body: { name: string; scope: KeyScope; duration?: string }) {
  const byKey = admin.byKey
  admin.byKey = false
  const made = await admin.app.inject({ method: 'POST', url: '/v1/keys', payload: body })
  admin.byKey = byKey
  assert.equal(made.statusCode, 201, made.body)
  return made.json<{ id: number; key: string }>()
}

function signIn(admin: Admin, key: string, headers: Record<string, string> = sameOrigin, to = '') {
  return admin.app.inject({
    method: 'POST',
    url: '/dashboard/sign-in',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams({ key, ...(to && { to }) }).toString(),
  })
}

async function signedIn(
  t: TestContext,
  scope: KeyScope = 'write',
  more: { duration?: string } = {},
): Promise<Signed> {
  const admin = openAdmin(t)
  const { id, key } = await makeKey(admin, { name: 'desk', scope, ...more })
  admin.byKey = true
  const reply = await signIn(admin, key)
  assert.equal(reply.statusCode, 303, reply.body)
  const [cookie] = reply.cookies
  assert.ok(cookie)
  return { admin, id, key, cookie: `${cookie.name}=${cookie.value}` }
}

const read = async ({ admin, cookie }: Signed): Promise<number> =>
  (await admin.app.inject({ url: '/v1/stats', headers: { cookie } })).statusCode

const change = async ({ admin, cookie }: Signed, headers: Record<string, string>) =>
  await admin.app.inject({
    ...{ method: 'POST', url: '/v1/listings', payload: listing },
    headers: { cookie, host: 'list.example', ...headers },
  })

test('a key begins a session, whose cookie stands for the key and is audited as that key', async (t) => {
  const signed = await signedIn(t)
  assert.equal(await read(signed), 200)
  assert.equal((await change(signed, sameOrigin)).statusCode, 201)
  signed.admin.byKey = false
  const [latest] = (await signed.admin.app.inject('/v1/audit')).json().items
  assert.equal(latest.actor, 'desk')
})

test('the cookie is out of reach of scripts and of other sites, and Secure where the request came by https', async (t) => {
  const admin = openAdmin(t)
  const { key } = await makeKey(admin, { name: 'desk', scope: 'read' })
  const [plain] = (await signIn(admin, key)).cookies
  const { name, httpOnly, sameSite, path, secure, domain, maxAge } = plain ?? {}
  assert.deepEqual(
    { name, httpOnly, sameSite, path, secure, domain, maxAge },
    {
      ...{ name: 'bsd_session', httpOnly: true, sameSite: 'Strict', path: '/' },
      ...{ secure: undefined, domain: undefined, maxAge: undefined },
    },
  )
  admin.trustedProxies = [{ family: 4, w0: 0x7f000001, w1: 0, w2: 0, w3: 0, length: 32 }]
  const [secured] = (await signIn(admin, key, { ...sameOrigin, 'x-forwarded-proto': 'https' }))
    .cookies
  assert.equal(secured?.secure, true)
  assert.equal(secured?.name, '__Host-bsd_session')
  assert.notEqual(secured?.value, plain?.value)
  // Another host of the domain can set a cookie without the prefix, and one that the browser sends first.
  const tossed = (cookie: string) =>
    admin.app.inject({
      url: '/v1/stats',
      headers: { 'x-forwarded-proto': 'https', cookie: `bsd_session=${plain?.value}; ${cookie}` },
    })
  admin.byKey = true
  assert.equal((await tossed(`__Host-bsd_session=${secured?.value}`)).statusCode, 200)
  assert.equal((await tossed('other=1')).statusCode, 401)
  assert.match(String(plain?.value), /^[\w-]{43}$/)
})

test('a wrong key begins no session; too many of them are told to wait, but a valid key is not', async (t) => {
  const admin = openAdmin(t)
  const { key } = await makeKey(admin, { name: 'desk', scope: 'read' })
  admin.byKey = true
  const wrong = `bsd_${'x'.repeat(43)}`
  for (let count = 0; count < 10; count++) {
    const refused = await signIn(admin, wrong)
    assert.equal(refused.statusCode, 401)
    assert.deepEqual(refused.cookies, [])
    const bearer = { authorization: `Bearer ${wrong}` }
    assert.equal((await admin.app.inject({ url: '/v1/stats', headers: bearer })).statusCode, 401)
  }
  const late = await signIn(admin, wrong)
  assert.equal(late.statusCode, 429)
  assert.ok(Number(late.headers['retry-after']) > 0)
  assert.equal((await signIn(admin, key)).statusCode, 303)
})

test('a key of a collector shows no dashboard', async (t) => {
  const admin = openAdmin(t)
  const { key } = await makeKey(admin, { name: 'mx', scope: 'collect' })
  const refused = await signIn(admin, key)
  assert.equal(refused.statusCode, 403)
  assert.deepEqual(refused.cookies, [])
})

test('a session has the scope of its key', async (t) => {
  const signed = await signedIn(t, 'read')
  assert.equal(await read(signed), 200)
  assert.equal((await change(signed, sameOrigin)).statusCode, 403)
})

test('a change is refused unless a page of the same origin sent it', async (t) => {
  const signed = await signedIn(t)
  const refused: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': '' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://list.example' },
    {},
    { origin: 'http://other.example' },
    { origin: 'http://list.example:8080' },
    { origin: 'http://list.example.other.example' },
    { origin: 'null' },
    { origin: 'list.example' },
    { referer: 'http://list.example/dashboard' },
  ]
  for (const headers of refused) {
    const reply = await change(signed, headers)
    assert.equal(reply.statusCode, 403, JSON.stringify(headers))
    assert.equal(reply.json().code, 'cross-origin')
  }
  const removal = { method: 'DELETE', url: '/v1/listings/1' } as const
  const cross = { cookie: signed.cookie, 'sec-fetch-site': 'cross-site' }
  assert.equal((await signed.admin.app.inject({ ...removal, headers: cross })).statusCode, 403)
  for (const headers of [
    sameOrigin,
    { 'sec-fetch-site': 'none' },
    { origin: 'http://list.example' },
  ]) {
    const { statusCode } = await change(signed, headers)
    assert.ok(statusCode < 300, `${statusCode} ${JSON.stringify(headers)}`)
  }
})

test('another site can neither sign a browser in nor out', async (t) => {
  const signed = await signedIn(t)
  const cross = { 'sec-fetch-site': 'cross-site' }
  const refused = await signIn(signed.admin, signed.key, cross)
  assert.equal(refused.statusCode, 403)
  assert.deepEqual(refused.cookies, [])
  const out = await signed.admin.app.inject({
    ...{ method: 'POST', url: '/dashboard/sign-out' },
    headers: { cookie: signed.cookie, ...cross },
  })
  assert.equal(out.statusCode, 403)
  assert.equal(await read(signed), 200)
  // SameSite keeps the cookie back, but what the answer says of the cookie would count.
  const without = { method: 'POST', url: '/dashboard/sign-out', headers: cross } as const
  assert.deepEqual((await signed.admin.app.inject(without)).cookies, [])
})

test('a key in the Authorization field goes before the cookie, and needs no origin', async (t) => {
  const signed = await signedIn(t, 'read')
  const { key } = await makeKey(signed.admin, { name: 'script', scope: 'write' })
  const authorization = `Bearer ${key}`
  assert.equal((await change(signed, { authorization })).statusCode, 201)
  const wrong = { authorization: 'Bearer wrong' }
  assert.equal((await change(signed, { ...sameOrigin, ...wrong })).statusCode, 401)
})

test('a session ends when its key is revoked', async (t) => {
  const signed = await signedIn(t)
  signed.admin.byKey = false
  await signed.admin.app.inject({ method: 'DELETE', url: `/v1/keys/${signed.id}` })
  signed.admin.byKey = true
  assert.equal(await read(signed), 401)
})

test('a session ends with its key', async (t) => {
  const signed = await signedIn(t, 'write', { duration: '30m' })
  signed.admin.now += hour / 2 - 1
  assert.equal(await read(signed), 200)
  signed.admin.now += 1
  assert.equal(await read(signed), 401)
})

test('a session ends after an hour without a request', async (t) => {
  const signed = await signedIn(t)
  for (const wait of [hour - 1, hour - 1]) {
    signed.admin.now += wait
    assert.equal(await read(signed), 200)
  }
  signed.admin.now += hour
  assert.equal(await read(signed), 401)
})

test('a session ends twelve hours after the sign-in, however busy it is', async (t) => {
  const signed = await signedIn(t)
  for (let half = 1; half < 24; half++) {
    signed.admin.now += hour / 2
    assert.equal(await read(signed), 200)
  }
  signed.admin.now += hour / 2
  assert.equal(await read(signed), 401)
})

test('a session ends at sign-out, and only that one', async (t) => {
  const signed = await signedIn(t)
  const [other] = (await signIn(signed.admin, signed.key)).cookies
  const out = await signed.admin.app.inject({
    ...{ method: 'POST', url: '/dashboard/sign-out' },
    headers: { cookie: signed.cookie, ...sameOrigin },
  })
  assert.equal(out.statusCode, 303)
  assert.equal(out.cookies[0]?.value, '')
  assert.equal(await read(signed), 401)
  assert.equal(await read({ ...signed, cookie: `bsd_session=${other?.value}` }), 200)
})

test('who signs in often ends sessions of his own key alone', async (t) => {
  const signed = await signedIn(t)
  const { admin } = signed
  const { key } = await makeKey(admin, { name: 'busy', scope: 'read' })
  const [first] = (await signIn(admin, key)).cookies
  const firstOfBusy = { ...signed, cookie: `bsd_session=${first?.value}` }
  for (let count = 1; count < 50; count++) await signIn(admin, key)
  assert.equal(await read(firstOfBusy), 200)
  await signIn(admin, key)
  assert.equal(await read(firstOfBusy), 401)
  assert.equal(await read(signed), 200)
})

test('a cookie of no session is a stranger’s: public things stay open to it', async (t) => {
  const admin = openAdmin(t)
  admin.byKey = true
  const headers = { cookie: `bsd_session=${'x'.repeat(43)}` }
  assert.equal((await admin.app.inject({ url: '/v1/stats', headers })).statusCode, 401)
  const lookup = await admin.app.inject({ url: '/v1/lookup/203.0.113.9', headers })
  assert.equal(lookup.statusCode, 200)
})

test('the sign-in leads back to a page of the dashboard, and to no other place', async (t) => {
  const admin = openAdmin(t)
  const { key } = await makeKey(admin, { name: 'desk', scope: 'read' })
  const landing = async (to: string) => (await signIn(admin, key, sameOrigin, to)).headers.location
  const kept = ['/dashboard', '/dashboard/listings?kind=dsn&cursor=a']
  for (const to of kept) assert.equal(await landing(to), to)
  const others = [
    ...['', 'https://other.example/dashboard', '//other.example/dashboard', '/\\other.example'],
    ...[
      '/dashboard/../../other',
      'javascript:alert(1)',
      '/dashboards',
      '/v1/keys',
      '\t//other.example',
    ],
    ...[
      '/dashboard/sign-in?to=/dashboard',
      'dashboard@other.example',
      'http://ours.invalid:80@x/dashboard',
    ],
  ]
  for (const to of others) assert.equal(await landing(to), '/dashboard', to)
})

test('a page of the dashboard sends a stranger to the sign-in, which knows the way back and an ended session', async (t) => {
  const signed = await signedIn(t, 'read')
  const { app } = signed.admin
  const sent = await app.inject('/dashboard?x=1&y=%26')
  assert.equal(sent.statusCode, 303)
  assert.equal(sent.headers.location, '/dashboard/sign-in?to=%2Fdashboard%3Fx%3D1%26y%3D%2526')
  const form = await app.inject(String(sent.headers.location))
  assert.match(form.body, /name="to" value="\/dashboard\?x=1&amp;y=%26"/)
  assert.doesNotMatch(form.body, /has ended/)
  const old = { cookie: 'bsd_session=old' }
  const ended = await app.inject({ url: '/dashboard/sign-in', headers: old })
  assert.match(ended.body, /has ended/)
  assert.equal(ended.cookies[0]?.value, '')
  const headers = { cookie: signed.cookie }
  assert.equal((await app.inject({ url: '/dashboard', headers })).statusCode, 200)
  const again = await app.inject({ url: '/dashboard/sign-in?to=/dashboard', headers })
  assert.equal(again.headers.location, '/dashboard')
})

test('a link of another site comes without the cookie, so the sign-in page asks itself once more', async (t) => {
  const { app } = openAdmin(t)
  const cross = { 'sec-fetch-site': 'cross-site' }
  const url = '/dashboard/sign-in?to=/dashboard'
  assert.equal((await app.inject({ url, headers: cross })).headers['refresh'], '0')
  assert.equal((await app.inject({ url, headers: sameOrigin })).headers['refresh'], undefined)
})

test('a refusal at the sign-in is a page that keeps the way back', async (t) => {
  const admin = openAdmin(t)
  const refused = await signIn(admin, '<b>wrong</b>', sameOrigin, '/dashboard/listings')
  assert.equal(refused.statusCode, 401)
  assert.match(String(refused.headers['content-type']), /^text\/html/)
  assert.match(refused.body, /not a valid key/)
  assert.match(refused.body, /value="\/dashboard\/listings"/)
  assert.doesNotMatch(refused.body, /wrong/)
})
