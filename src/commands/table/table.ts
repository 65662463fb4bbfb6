// All commands in the order of `--help`.
import type { CommandGroup } from '../command.ts'
import { access } from './access.ts'
import { exceptions, listings } from './listings.ts'
import { mail, traps } from './mail.ts'
import { database, run, setUp } from './setup.ts'
import { wholeLists } from './whole-lists.ts'

export const commandTable: readonly CommandGroup[] = [
  setUp,
  run,
  listings,
  wholeLists,
  exceptions,
  traps,
  mail,
  access,
  database,
]
