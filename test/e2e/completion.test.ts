// The completion in real shells: what the Tab key offers after the beginning of a line.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { needs } from '../support/debian.ts'
import { main, runCommand } from '../support/server.ts'

/** The beginning of a line, and all that is offered for its last word. */
const cases: readonly [line: string, offered: readonly string[]][] = [
  ['backscatterd ke', ['key']],
  ['backscatterd ex', ['exempt', 'exclude', 'exemptions', 'exclusions', 'export']],
  ['backscatterd key ', ['create', 'list', 'revoke']],
  ['backscatterd --config key.toml key re', ['revoke']],
  ['backscatterd key create --scope ', ['read', 'write', 'collect', 'admin']],
  ['backscatterd add 192.0.2.1 --kind c', ['callout', 'challenge-response', 'content-notice']],
  ['backscatterd add --per', ['--permanent']],
  ['backscatterd import package.js', ['package.json']],
  ['backscatterd import list.txt --format ', ['text', 'csv', 'ndjson', 'rbldnsd']],
  ['backscatterd help key ', ['create', 'list', 'revoke']],
  ['backscatterd completion ', ['bash', 'zsh', 'fish']],
  ['backscatterd show ', []],
]

async function script(shell: string): Promise<string> {
  const { code, stdout } = await runCommand(['completion', shell], '/')
  assert.equal(code, 0)
  return stdout
}

test('bash completes', needs('bash', 'bash'), async () => {
  const program = `${await script('bash')}
    complete() { :; }
    read -ra COMP_WORDS <<< "$1"
    [[ $1 == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
    compopt() { COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); }
    _backscatterd
    printf '%s\\n' "\${COMPREPLY[@]}"`
  for (const [line, offered] of cases) {
    const { stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', line], {
      encoding: 'utf8',
    })
    assert.equal(stderr, '')
    assert.deepEqual(stdout.split('\n').filter(Boolean).sort(), [...offered].sort(), line)
  }
})

test('fish completes', needs('fish', 'fish'), async () => {
  const program = `${await script('fish')}\ncomplete -C $argv[1]`
  for (const [line, offered] of cases) {
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', program, line], {
      encoding: 'utf8',
    })
    assert.equal(stderr, '')
    const words = stdout.split('\n').filter(Boolean)
    const found = words.map((each) => each.split('\t')[0])
    assert.deepEqual(found.sort(), [...offered].sort(), line)
  }
})

/** Types lines into an interactive zsh on a terminal of its own, each with a Tab, and waits for what the Tab adds. */
const typing = `
  zmodload zsh/zpty zsh/zselect
  export TERM=dumb
  expect() {
    local seen='' out
    repeat 2400; do
      while zpty -r -t shell out; do seen+=$out; done
      [[ $seen == *"$1"* ]] && return
      zselect -t 5
    done
    print -r -- "no '$1' in: \${(V)seen}"
    exit 1
  }
  zpty -b shell zsh -f -i
  zpty -w shell "PS1= RPS1=; unsetopt prompt_sp; autoload -U compinit; compinit -u -D"
  zpty -w shell "source <(\\"$1\\" \\"$2\\" completion zsh); print REA''DY"
  expect READY
  shift 2
  for line added in "$@"; do
    zpty -w -n shell $'\\C-u'"$line"$'\\t'
    expect "$line$added"
  done
  zpty -d shell`

test('zsh completes', needs('zsh', 'zsh'), () => {
  const lines = cases.flatMap(([line, offered]) => {
    const [only, ...others] = offered
    if (only === undefined || others.length > 0) return []
    const begun = line.split(' ').at(-1) ?? ''
    return [line, `${only.slice(begun.length)} `]
  })
  assert.ok(lines.length >= 8)
  const args = ['-f', '-c', typing, 'zsh', process.execPath, main, ...lines]
  const { status, stdout, stderr } = spawnSync('zsh', args, { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
})
