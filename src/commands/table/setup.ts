// The commands that set the server up, run it and look after its database.
import type { CommandGroup } from '../command.ts'
import { json } from './options.ts'

export const setUp: CommandGroup = {
  title: 'Set up:',
  commands: [
    {
      name: 'check-config',
      summary: 'check the configuration file',
      description:
        'Checks the configuration file and the files that it names. Prints each wrong key by its full name, such as ' +
        'dns.listen, and what was expected. Changes nothing.',
      load: async () => (await import('../check-config.ts')).checkConfig,
    },
  ],
}

export const run: CommandGroup = {
  title: 'Run:',
  commands: [
    {
      name: 'serve',
      summary: 'run the server: DNS, traps and the HTTP interface',
      description:
        'Runs the server: DNS, trap mailboxes and listeners, the HTTP interface and the control socket. When every ' +
        'listener is bound, it prints one line on standard output: "backscatterd ready …". Logs go to standard error. ' +
        'SIGTERM and SIGINT stop the server; SIGHUP makes it read the configuration again and, after a jump of the clock, ' +
        'accept the new time.',
      load: async () => {
        // Without a handler, a SIGHUP during the start would end the process. This handler need not do anything: the
        // configuration is about to be read anyway.
        process.on('SIGHUP', () => undefined)
        return (await import('../serve.ts')).serve
      },
    },
    {
      name: 'status',
      summary: 'show the state of the running server',
      description:
        'Shows the state of the running server: serial, freshness, entries, memory, counts of DNS queries, failures of the ' +
        'database, jumps of the clock, networks that forge a trap as the sender, and mailboxes. Exit code ' +
        '1 if no server is running.',
      options: [json],
      load: async () => (await import('../server.ts')).status,
    },
  ],
}

export const database: CommandGroup = {
  title: 'The database:',
  commands: [
    {
      name: 'backup',
      summary: 'copy the database while it is in use',
      description: 'Writes a consistent copy of the database. A server may be running meanwhile.',
      argument: {
        usage: '<file>',
        description: 'where to write the copy; the file must not exist yet',
      },
      load: async () => (await import('../server.ts')).backup,
    },
    {
      name: 'migrate',
      summary: 'update the database to this version’s schema',
      description:
        'Updates the database to the schema of this version and does nothing else. Fails while a server is running. Seldom ' +
        'needed: every command that changes the database updates it first.',
      load: async () => (await import('../server.ts')).migrate,
    },
  ],
}
