// Options and arguments that several commands have, each described once.
import { backscatterKinds } from '../../classify/kinds.ts'
import type { CommandArgument, CommandOption } from '../command.ts'

export const json: CommandOption = { flags: '--json', description: 'print JSON' }
export const jsonLines: CommandOption = {
  flags: '--json',
  description: 'print JSON, one object a line',
}
export const note: CommandOption = {
  flags: '--note <text>',
  description: 'why; kept in the database',
}
export const list: CommandOption = { flags: '--list <name>', description: 'name of the list' }
export const kind: CommandOption = {
  flags: '--kind <kind>',
  description: 'kind of backscatter',
  values: backscatterKinds,
}
export const limit: CommandOption = {
  flags: '--limit <number>',
  description: 'how many to show at most',
}
export const prefix: CommandArgument = {
  usage: '<prefix>',
  description: 'ADDRESS or ADDRESS/LENGTH',
}
export const address: CommandArgument = {
  usage: '<address>',
  description: 'an IPv4 or IPv6 address',
}
