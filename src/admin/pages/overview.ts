// The overview of the dashboard: /dashboard shows whether all is well, in words, and the figures of the moment;
// /dashboard/events sends what changes, once a second (server-sent events, HTML Living Standard §9.2).
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { AtOnce } from '../at-once.ts'
import type { App, AppOptions } from '../options.ts'
import { problem } from '../problem.ts'
import type { Caller } from '../scopes.ts'
import { type Sessions, sessionToken } from '../sessions.ts'
import { renderDashboard } from './dashboard.ts'
import { LiveOverview, type Parts } from './live-overview.ts'
import { formatNow } from './overview-view.ts'
import { queryGroups } from './query-history.ts'
import type { PageRenderer } from './render.ts'

/** Most streams at once, in all and for one key. */
const maxStreams = 32
const maxStreamsOfKey = 8
/** How long a browser waits before it asks again after a lost connection. */
const retryMs = 2000

interface OverviewOptions extends AppOptions {
  readonly renderer: PageRenderer
  readonly sessions: Sessions
}

export function overviewPages(app: App, options: OverviewOptions): void {
  const { renderer, sessions, closing } = options
  const overview = new LiveOverview(options)
  app.addHook('onReady', async () => overview.history.start())
  app.addHook('onClose', async () => overview.history.stop())
  const streams = new AtOnce(maxStreams, maxStreamsOfKey)

  app.get('/dashboard', { config: { scope: 'read', isPage: true } }, async (request, reply) => {
    const parts = await overview.parts(request.caller.scope)
    return renderDashboard(renderer, request, reply, {
      ...{ template: 'overview', title: 'Overview', section: 'overview' },
      ...{ scripts: ['live.js'], styles: ['uPlot.min.css', 'overview.css'] },
      view: { parts, at: formatNow() },
    })
  })

  app.get(
    '/dashboard/events',
    { config: { scope: 'read', isBackground: true }, schema: { hide: true } },
    async (request, reply) => {
      const holder = () => sessions.holder(sessionToken(request), false)
      if (holder() === undefined)
        return problem(401, 'unauthorized', 'this needs a session: sign in at /dashboard')
      const end = streams.begin(request.caller)
      if (end === undefined) {
        const detail = 'too many dashboards are open, in all or with this key: close one'
        return problem(503, 'too-many-streams', detail)
      }
      const stream = Readable.from(events(overview, holder, closing))
      stream.once('close', end)
      // A proxy such as nginx would keep events back to fill its buffer.
      reply.type('text/event-stream').header('x-accel-buffering', 'no')
      return reply.send(stream)
    },
  )
}

/** Ends when the caller has no session any more, and at `closing`. */
async function* events(
  overview: LiveOverview,
  holder: () => Caller | undefined,
  closing: AbortSignal | undefined,
): AsyncGenerator<string> {
  const { history, evidence } = overview
  yield `retry: ${retryMs}\n\n`
  const labels = queryGroups.map(({ label }) => label)
  yield event('history', { labels, samples: history.samples.map(columnsOf) })
  let sent: Parts = {}
  let hourly = ''
  for (;;) {
    const caller = holder()
    if (caller === undefined) {
      yield event('signed-out', {})
      return
    }
    const parts = await overview.parts(caller.scope)
    const changed = Object.entries(parts).filter(([name, html]) => html !== sent[name])
    sent = parts
    if (changed.length > 0) yield event('parts', Object.fromEntries(changed))
    const hours = event('evidence', evidence.hourly())
    if (hours !== hourly) yield hours
    hourly = hours
    try {
      const [sample] = await once(history, 'sample', closing && { signal: closing })
      yield event('sample', columnsOf(sample))
    } catch {
      return
    }
  }
}

function columnsOf({ at, rates }: { at: number; rates: readonly number[] }): number[] {
  return [at, ...rates]
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
