// Runs the README's commands as a newcomer would: the demonstration on free ports, then each command as it stands there.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needs } from '../support/debian.ts'
import { commandsOf, runCommands, startDemo } from '../support/demo.ts'
import { needsAsRoot } from '../support/offenders.ts'
import { Site } from '../support/server.ts'
import { runOnWholeSystem } from '../support/whole-system.ts'

const blocks = commandsOf(readFileSync('README.md', 'utf8'))

test('the README’s two minutes', needs('dig', 'bind9-dnsutils'), async (t) => {
  const { site, ports, onFreePorts } = await startDemo(t)
  const commands = blocks.flatMap((block) => (block.needs === '' ? [block.text] : [])).join('')
  assert.ok(commands.split('\n').length >= 12)
  assert.match(commands, /^export BACKSCATTERD_CONFIG=\$PWD\/data\/demo\.toml$/m)
  assert.doesNotMatch(commands, /npx (?!--no )/, 'what a stranger has published is never run')
  const script = onFreePorts(commands)
    .replace('npm run sample', `npm run sample -- --server 127.0.0.1:${ports[2525]}`)
    .replace(/^(.* lookup .*)$/m, '$1 || test $? = 3')
  // Twice: a newcomer tries again.
  for (const time of ['first', 'second']) {
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', script], {
      encoding: 'utf8',
      env: {
        ...process.env,
        // A production configuration that happens to be there.
        BACKSCATTERD_CONFIG: '/nowhere/production.toml',
        npm_config_cache: join(site.folder, 'npm'),
      },
    })
    assert.equal(status, 0, time + stderr + stdout)
    assert.match(stdout, /S: 250 /)
    assert.match(stdout, /^127\.0\.0\.2\n127\.0\.0\.3$/m)
    const [, link = ''] = /^"Backscatter source; see (\S+)"$/m.exec(stdout) ?? []
    assert.match(await (await fetch(link)).text(), /<h1.*>198\.51\.100\.10 is listed</)
    assert.match(stdout, /198\.51\.100\.10.* is listed/)
  }
})

test('the README’s quickstart, and the Postfix lines that it prints', (t) => {
  const site = new Site(t)
  const [command = ''] = textsFor('README.md', 'quickstart')
  assert.match(
    command,
    /^npx --no backscatterd quickstart .*\n$/,
    'one command: --dir is added to it',
  )
  const run = (folder: string, more = '') => {
    const options = ` --dir ${join(site.folder, folder)} --listing fast ${more}\n`
    const { status, stdout, stderr } = runCommands(
      command.replace('npx --no ', '').trimEnd() + options,
      { cwd: site.folder, configFile: '' },
    )
    assert.equal(status, 0, stderr)
    return oneLine(stdout)
  }
  const [alone, handingOver] = [run('alone'), run('handing-over', '--lmtp')]
  assert.ok(alone.includes(postfixLines('README.md')))
  assert.match(handingOver, /virtual_mailbox_domains/)
  const lines = postfixLines('data/guide/traps.md').split(/(?= \w+ = )/)
  assert.equal(lines.length, 5)
  for (const line of lines) {
    assert.ok(handingOver.includes(line.replaceAll('trap.example.org', 'trap.example.net')), line)
  }
})

test('the README’s way into production, and a restored backup, on a whole system', {
  ...needsAsRoot('ip', 'iproute2'),
}, (t) => {
  const [quickstart = ''] = textsFor('README.md', 'quickstart')
  const installed = textsFor('README.md', 'root').join('')
  const restore = textsFor('data/guide/operating.md', 'root').find((text) =>
    /^install /m.test(text),
  )
  const { status, stdout, stderr } = runOnWholeSystem(
    t,
    [
      'export npm_config_cache="$SCRATCH/npm"',
      'systemctl() {',
      '  case "$1" in',
      '    stop) kill "$server"; wait "$server" || true ;;',
      '    *) : > ready; serve ;;',
      '  esac',
      '}',
      'cd /opt/backscatterd',
      quickstart.replace(/$/m, ' --listing fast'),
      'cd "$SCRATCH"',
      // No name server of the machine is asked here, so the zone is not delegated.
      installed.replace('backscatterd doctor', 'backscatterd doctor || test $? = 1'),
      'backscatterd backup copy.db; backscatterd unexempt 192.0.2.0/28',
      restore,
      'backscatterd exemptions',
    ].join('\n'),
    [],
  )
  assert.equal(status, 0, stderr + stdout)
  assert.equal(stdout.match(/^backscatterd ready /gm)?.length, 2)
  assert.match(stdout, /^broken +delegation: /m)
  assert.doesNotMatch(stdout, /^broken +(?! |delegation|trap mail)/m)
  assert.match(
    stdout.slice(stdout.lastIndexOf('backscatterd ready')),
    /192\.0\.2\.0\/28.*our own relays/,
  )
})

function textsFor(file: string, need: string): string[] {
  return commandsOf(readFileSync(file, 'utf8')).flatMap(({ needs, text }) =>
    needs === need ? [text] : [],
  )
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}

/** The lines for main.cf that a page shows, as one line. */
function postfixLines(file: string): string {
  const blocks = readFileSync(file, 'utf8').matchAll(/^```\n(.*?)^```$/gms)
  const [lines = ''] = [...blocks].flatMap(([, text = '']) =>
    text.includes('smtpd_data_restrictions') ? [oneLine(text)] : [],
  )
  assert.notEqual(lines, '', file)
  return lines
}
