// Options and arguments that several commands have, each described once.
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
export const prefix: CommandArgument = {
  usage: '<prefix>',
  description: 'ADDRESS or ADDRESS/LENGTH',
}
export const address: CommandArgument = {
  usage: '<address>',
  description: 'an IPv4 or IPv6 address',
}
