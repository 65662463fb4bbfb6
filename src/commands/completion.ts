// `completion bash|zsh|fish`: turns the table of commands into a script that completes commands, options and their values.
import {
  type CommandContext,
  type CommandOption,
  type CommandRow,
  exitCodes,
  type Program,
} from './command.ts'

/** What may follow on a command line after `path`, such as "key create"; "" for the program itself. */
interface Level {
  readonly path: string
  readonly commands: readonly Pick<CommandRow, 'name' | 'summary'>[]
  readonly options: readonly OptionWords[]
  readonly values: readonly string[]
  readonly takesFiles: boolean
}

interface OptionWords {
  /** "--kind". */
  readonly flag: string
  readonly description: string
  readonly takes: 'nothing' | 'text' | 'file'
  readonly values: readonly string[]
}

const filePattern = /<(file|path|folder)\b/
const helpCommand = { name: 'help', summary: 'print the help of a command' }
const helpOption = { flags: '--help', description: 'print the help' }
const versionOption = { flags: '--version', description: 'print the version' }

export async function completion(context: CommandContext, shell: string): Promise<number> {
  const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell]
  context.write(`${write?.(levelsOf(context.program)).join('\n')}\n`)
  return exitCodes.done
}

function levelsOf({ options, groups }: Program): Level[] {
  const rows = groups.flatMap(({ commands }) => commands)
  const top = {
    path: '',
    commands: [...rows, helpCommand],
    options: [...options, versionOption, helpOption].map(wordsOf),
    values: [],
    takesFiles: false,
  }
  const help = { ...top, path: 'help', commands: rows, options: [] }
  const helpBelow = rows.flatMap(({ name, subcommands }) =>
    subcommands ? [{ ...help, path: `help ${name}`, commands: subcommands }] : [],
  )
  return [top, help, ...helpBelow, ...rows.flatMap((row) => levelsBelow(row, ''))]
}

function levelsBelow(row: CommandRow, above: string): Level[] {
  const { subcommands = [], argument, options = [] } = row
  const path = above + row.name
  const level = {
    path,
    commands: subcommands,
    options: [...options, helpOption].map(wordsOf),
    values: argument?.values ?? [],
    takesFiles: filePattern.test(argument?.usage ?? ''),
  }
  return [level, ...subcommands.flatMap((each) => levelsBelow(each, `${path} `))]
}

function wordsOf({ flags, description, values = [] }: CommandOption): OptionWords {
  const [flag = ''] = flags.split(' ')
  const takes = filePattern.test(flags) ? 'file' : flags.includes('<') ? 'text' : 'nothing'
  return { flag, description, takes, values }
}

/** The lines of a `case` for each level: "PATH|OPTION" for values of an option, "PATH" for what else may follow. */
function shellCases(
  levels: readonly Level[],
  offer: (words: readonly (readonly [word: string, about: string])[]) => string,
  offerFiles: string,
): { readonly values: string[]; readonly options: string[]; readonly words: string[] } {
  const unexplained = (words: readonly string[]) => offer(words.map((word) => [word, '']))
  return {
    values: levels.flatMap(({ path, options }) =>
      options
        .filter(({ takes }) => takes !== 'nothing')
        .map(({ flag, takes, values }) => {
          const action = takes === 'file' ? offerFiles : unexplained(values)
          return `    ${quoted(`${path}|${flag}`)}) ${action}; return ;;`
        }),
    ),
    options: levels.map(
      ({ path, options }) =>
        `      ${quoted(path)}) ${offer(options.map(({ flag, description }) => [flag, description]))} ;;`,
    ),
    words: levels
      .filter(
        ({ commands, values, takesFiles }) => commands.length + values.length > 0 || takesFiles,
      )
      .map(({ path, commands, values, takesFiles }) => {
        const named = offer(commands.map(({ name, summary }) => [name, summary]))
        const other = takesFiles ? offerFiles : unexplained(values)
        return `      ${quoted(path)}) ${commands.length > 0 ? named : other} ;;`
      }),
  }
}

/** The loop that finds the path of the command among the words before the cursor. `words`: those words, in the shell's form. */
function pathLoop(levels: readonly Level[], words: string): string[] {
  const paths = levels.filter(({ path }) => path !== '').map(({ path }) => quoted(path))
  return [
    "  local word='' command='' skip=''",
    `  for word in ${words}; do`,
    '    if [[ -n $skip ]]; then skip=; continue; fi',
    '    if [[ $word == --config ]]; then skip=1; fi',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell fills it in
    '    case "${command:+$command }$word" in',
    `      ${paths.join('|')}) command="\${command:+$command }$word" ;;`,
    '    esac',
    '  done',
  ]
}

function bashScript(levels: readonly Level[]): string[] {
  const offer = (words: readonly (readonly [string, string])[]): string =>
    `COMPREPLY=($(compgen -W ${quoted(words.map(([word]) => word).join(' '))} -- "$current"))`
  const cases = shellCases(levels, offer, 'compopt -o default')
  return [
    '# bash: source <(backscatterd completion bash)',
    '_backscatterd() {',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell fills it in
    '  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}',
    '  COMPREPLY=()',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell fills it in
    ...pathLoop(levels, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"'),
    ...chosenBy(cases, '$current'),
    '}',
    'complete -F _backscatterd backscatterd',
  ]
}

function zshScript(levels: readonly Level[]): string[] {
  const offer = (words: readonly (readonly [string, string])[]): string => {
    const described = words.map(([word, about]) => quoted(about === '' ? word : `${word}:${about}`))
    return `offered=(${described.join(' ')}); _describe -V backscatterd offered`
  }
  return [
    '#compdef backscatterd',
    '# zsh: source <(backscatterd completion zsh)',
    '_backscatterd() {',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell fills it in
    '  local current=${words[CURRENT]} previous=${words[CURRENT-1]}',
    '  local -a offered',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell fills it in
    ...pathLoop(levels, '"${(@)words[2,CURRENT-1]}"'),
    ...chosenBy(shellCases(levels, offer, '_files'), '$current'),
    '}',
    'compdef _backscatterd backscatterd',
  ]
}

function chosenBy(cases: ReturnType<typeof shellCases>, current: string): string[] {
  return [
    '  case "$command|$previous" in',
    ...cases.values,
    '  esac',
    `  if [[ ${current} == -* ]]; then`,
    '    case "$command" in',
    ...cases.options,
    '    esac',
    '  else',
    '    case "$command" in',
    ...cases.words,
    '    esac',
    '  fi',
  ]
}

function fishScript(levels: readonly Level[]): string[] {
  const paths = levels.filter(({ path }) => path !== '').map(({ path }) => fishQuoted(path))
  return [
    '# fish: backscatterd completion fish | source',
    'function __backscatterd_at',
    '    set -l command',
    '    set -l skip',
    '    for word in (commandline -opc)[2..]',
    '        if set -q skip[1]',
    '            set skip',
    '            continue',
    '        end',
    '        test $word = --config; and set skip 1',
    '        set -l longer (string join -- " " $command $word)',
    `        contains -- $longer ${paths.join(' ')}; and set command $longer`,
    '    end',
    '    test "$command" = "$argv[1]"',
    'end',
    'complete -c backscatterd -f',
    ...levels.flatMap(fishLines),
  ]
}

function fishLines({ path, commands, options, values, takesFiles }: Level): string[] {
  const at = `complete -c backscatterd -n ${fishQuoted(`__backscatterd_at ${fishQuoted(path)}`)}`
  const takes = { nothing: '', text: ' -x', file: ' -r -F' }
  return [
    ...commands.map(({ name, summary }) => `${at} -a ${name} -d ${fishQuoted(summary)}`),
    ...(values.length > 0 ? [`${at} -a ${fishQuoted(values.join(' '))}`] : []),
    ...(takesFiles ? [`${at} -F`] : []),
    ...options.map((option) => {
      const offered = option.values.length > 0 ? ` -a ${fishQuoted(option.values.join(' '))}` : ''
      const flag = `-l ${option.flag.slice(2)}${takes[option.takes]}${offered}`
      return `${at} ${flag} -d ${fishQuoted(option.description)}`
    }),
  ]
}

/** Quotes text for bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
