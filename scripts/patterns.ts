// Checks that no regular expression takes more than linear time: every literal of src/, or of the files given, goes to recheck,
// and what recheck finds is tried. What recheck cannot judge in time fails too: so large a pattern holds words, which belong into
// data/phrases.
//   node scripts/patterns.ts [FILE…]
import { globSync, readFileSync } from 'node:fs'
import { createContext, runInContext } from 'node:vm'
import { parseSync, Visitor } from 'oxc-parser'
import { checkSync } from 'recheck'

const recheckOptions = { timeout: 300_000, randomSeed: 1 }

/**
 * Milliseconds for an attack of recheck's, a text of up to 150,000 characters. It takes a linear pattern with a bounded repetition,
 * which recheck may call polynomial, a few dozen at most, and one that backtracks several thousand.
 */
const longestMatch = 1000

const files = process.argv.length > 2 ? process.argv.slice(2) : globSync('src/**/*.ts').toSorted()
let checked = 0
for (const file of files) {
  const code = readFileSync(file, 'utf8')
  const { program } = parseSync(file, code)
  new Visitor({
    Literal(literal) {
      if (!('regex' in literal)) return
      checked++
      const { pattern, flags } = literal.regex
      const why = faultOf(pattern, flags)
      if (why === null) return
      const line = code.slice(0, literal.start).split('\n').length
      console.error(`${file}:${line}: /${pattern}/${flags} ${why}`)
      process.exitCode = 1
    },
  }).visit(program)
}
console.log(`${checked} patterns checked`)

function faultOf(pattern: string, flags: string): string | null {
  const verdict = checkSync(pattern, flags, recheckOptions)
  if (verdict.status === 'safe') return null
  if (verdict.status === 'unknown') return `cannot be judged: ${verdict.error.kind}`
  const { attack, complexity } = verdict
  if (isQuick(new RegExp(pattern, flags), attack.string)) return null
  return `is vulnerable: ${complexity.summary}, as for ${attack.pattern}`
}

function isQuick(regExp: RegExp, text: string): boolean {
  try {
    runInContext('regExp.test(text)', createContext({ regExp, text }), { timeout: longestMatch })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  }
}
