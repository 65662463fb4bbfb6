// The commands that set the server up, run it and look after its database.
import type { CommandGroup } from '../command.ts'
import { json } from './options.ts'

export const setUp: CommandGroup = {
  title: 'Set up:',
  commands: [
    {
      name: 'quickstart',
      summary: 'write a first configuration and print what to do next',
      description:
        'Writes a first configuration, and prints the DNS records to add, the lines for mail servers and a web server, and ' +
        'the next commands. As root it installs the server: user, folders, /etc/backscatterd/backscatterd.toml, ' +
        '/usr/local/bin/backscatterd, man page and systemd unit. With --dir everything is made in one folder. No file is ' +
        'overwritten: if one exists, nothing is made (exit code 1).',
      argument: {
        usage: '<zone>',
        description: 'name of the list’s DNS zone, such as bl.example.org',
      },
      options: [
        {
          flags: '--ns <name=address>',
          description:
            'a name server of the zone and its address; repeat it for each server and each address (required)',
          isRepeatable: true,
        },
        {
          flags: '--trap-domain <domain>',
          description:
            'a domain that is used for nothing else; all its addresses become traps; repeat it for each domain (required)',
          isRepeatable: true,
        },
        {
          flags: '--listing <when>',
          description:
            'when a host is listed: two-traps, after bounces to two traps; hold, at the next full hour; fast, at once ' +
            '(default: asked on a terminal, else two-traps)',
          values: ['two-traps', 'hold', 'fast'],
        },
        {
          flags: '--lmtp',
          description:
            'this machine’s mail server hands over the traps’ mail (default: if one answers on port 25)',
        },
        { flags: '--dir <folder>', description: 'make everything in this folder, without root' },
        { flags: '--dry-run', description: 'make nothing; print what would be made' },
      ],
      examples: [
        {
          command:
            'backscatterd quickstart bl.example.org --ns ns1.example.org=192.0.2.53 \\\n' +
            '  --trap-domain trap.example.net --dry-run',
          does: 'show what would be made',
        },
      ],
      load: async () => (await import('../quickstart.ts')).quickstart,
    },
    {
      name: 'check-config',
      summary: 'check the configuration file',
      description:
        'Checks the configuration file and the files that it names. Prints each wrong key by its full name, such as ' +
        'dns.listen, and what was expected. Changes nothing.',
      examples: [
        { command: 'backscatterd check-config' },
        { command: 'backscatterd --config backscatterd.toml check-config' },
      ],
      load: async () => (await import('../check-config.ts')).checkConfig,
    },
    {
      name: 'config',
      summary: 'show the configuration',
      description: 'Shows the configuration.',
      subcommands: [
        {
          name: 'show',
          summary: 'show every key with its value',
          description:
            'Shows every key of the configuration with its value, as TOML. A comment says whether the value comes from the ' +
            'file or is the default. Paths are shown in full. Values that may reveal a trap are hidden. If the file was changed ' +
            'after the running server read it, the first lines say so.',
          isDefault: true,
          options: [json],
          examples: [{ command: 'backscatterd config show' }],
          load: async () => (await import('../config.ts')).showConfiguration,
        },
      ],
    },
    {
      name: 'doctor',
      summary: 'find what is wrong with an installation',
      description:
        'Finds what is wrong with an installation, with or without a running server: owners and modes of files, the systemd ' +
        'unit, ports, disk and clock, mailboxes, the delegation of the zone, and the MX records of traps. Says for each finding ' +
        'why it matters and how to fix it. Changes nothing. Run it as root: it then becomes the service’s user, so that it ' +
        'sees what the server sees. Exit code 1 if something is broken.',
      options: [json],
      examples: [{ command: 'backscatterd doctor' }],
      load: async () => (await import('../doctor.ts')).doctor,
    },
    {
      name: 'completion',
      summary: 'print a script that completes commands in your shell',
      description:
        'Prints a script for your shell. With it, the Tab key completes commands, options and their values.',
      argument: { usage: '<shell>', description: 'your shell', values: ['bash', 'zsh', 'fish'] },
      examples: [
        {
          command: 'source <(backscatterd completion bash)',
          does: 'for bash, in ~/.bashrc; for zsh, with “zsh” instead of “bash” in ~/.zshrc',
        },
        {
          command: 'backscatterd completion fish > backscatterd.fish',
          does: 'for fish, in ~/.config/fish/completions',
        },
      ],
      load: async () => (await import('../completion.ts')).completion,
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
        'Shows the state of the running server: first what is wrong, then the zone, the files, the list, what DNS answered, ' +
        'networks that forge a trap as the sender, and the mailboxes. Exit code 1 if no server is running.',
      options: [json],
      examples: [{ command: 'backscatterd status' }],
      load: async () => (await import('../status.ts')).status,
    },
    {
      name: 'reload',
      summary: 'make the server read its configuration again',
      description:
        'Makes the running server read its configuration again, as SIGHUP does, and says what is wrong with it, or what ' +
        'needs a restart. If the configuration is wrong (exit code 2), the server goes on with the old one. After a jump of ' +
        'the clock, the server accepts the new time.',
      options: [json],
      examples: [{ command: 'backscatterd reload' }],
      load: async () => (await import('../server.ts')).reload,
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
      examples: [{ command: 'backscatterd backup copy.db' }],
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
