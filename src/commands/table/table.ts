// The whole command line: what the program is, its own options, and all commands in the order of `--help`.
import type { Program } from '../command.ts'
import { access } from './access.ts'
import { exceptions, listings } from './listings.ts'
import { mail, traps } from './mail.ts'
import { database, run, setUp } from './setup.ts'
import { wholeLists } from './whole-lists.ts'

export const program: Program = {
  about: 'Lists the hosts that send misdirected bounces, and publishes the list as a DNSBL.',
  options: [
    {
      flags: '--config <file>',
      description: 'configuration file to use',
    },
  ],
  notes: [
    'The configuration is --config FILE, else $BACKSCATTERD_CONFIG, else ./backscatterd.toml, else ' +
      '/etc/backscatterd/backscatterd.toml. If that file cannot be read, or if there is none, a command that needs it fails.',
    'Commands that read or change data ask the running server through its control socket. If no server is running, they ' +
      'open the database themselves.',
    'Exit codes: 0 done; 1 failed or refused, with one line on standard error that says why; 2 wrong use or wrong ' +
      'configuration. lookup: 0 not listed, 3 listed, 1 no answer.',
  ],
  groups: [setUp, run, listings, wholeLists, exceptions, traps, mail, access, database],
}
