// Checks that no regular expression takes more than linear time: every literal of src/, or of the files given, goes to recheck.
// What recheck cannot judge in time fails too: a pattern as large as that holds words, which belong into data/phrases.
//   node scripts/patterns.ts [FILE…]
import { globSync, readFileSync } from 'node:fs'
import { parseSync, Visitor } from 'oxc-parser'
import { checkSync } from 'recheck'

/** recheck tries attacks by chance; the same seed gives the same answer. */
const options = { timeout: 60_000, randomSeed: 1 }

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
      const verdict = checkSync(pattern, flags, options)
      if (verdict.status === 'safe') return
      const line = code.slice(0, literal.start).split('\n').length
      const why =
        verdict.status === 'vulnerable'
          ? `${verdict.complexity.summary}, as for ${verdict.attack.pattern}`
          : verdict.error.kind
      console.error(`${file}:${line}: /${pattern}/${flags} is ${verdict.status}: ${why}`)
      process.exitCode = 1
    },
  }).visit(program)
}
console.log(`${checked} patterns checked`)
