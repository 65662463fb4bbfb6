// The commands on the keys of the HTTP interface, and on the audit.
import type { AuditAction } from '../../store/audit.ts'
import type { CommandGroup } from '../command.ts'
import { json, limit } from './options.ts'

/** All actions, by a type alone, since a command that asks a server loads nothing of the store. */
const auditActions: Readonly<Record<AuditAction, true>> = {
  list: true,
  amend: true,
  publish: true,
  delist: true,
  import: true,
  'import-undone': true,
  exempt: true,
  unexempt: true,
  exclude: true,
  include: true,
  'trap-add': true,
  'trap-remove': true,
  purge: true,
  approve: true,
  refuse: true,
  'key-create': true,
  'key-revoke': true,
}

export const access: CommandGroup = {
  title: 'Keys and the audit:',
  commands: [
    {
      name: 'key',
      summary: 'manage API keys',
      description:
        'Manages the keys of the HTTP interface. A key of scope read can read the list; write can also change it; collect ' +
        'can only submit messages that a trap received; admin can do everything.',
      subcommands: [
        {
          name: 'create',
          summary: 'create a key and print it',
          description:
            'Creates a key and prints it. It cannot be printed again: only its hash is stored.',
          options: [
            {
              flags: '--name <name>',
              description: 'who uses it; the audit shows this name (required)',
              isRequired: true,
            },
            {
              flags: '--scope <scope>',
              description: 'what it may do',
              values: ['read', 'write', 'collect', 'admin'],
              initial: 'read',
            },
            {
              flags: '--for <duration>',
              description: 'how long it is valid, such as "12h" or "90d" (default: until revoked)',
            },
            json,
          ],
          examples: [
            { command: 'backscatterd key create --name mirror' },
            { command: 'backscatterd key create --name backup-mx --scope collect --for 90d' },
          ],
          load: async () => (await import('../key.ts')).createKey,
        },
        {
          name: 'list',
          summary: 'list all keys',
          description: 'Lists all keys, also revoked ones, with the time each was last used.',
          options: [json],
          examples: [{ command: 'backscatterd key list' }],
          load: async () => (await import('../key.ts')).listKeys,
        },
        {
          name: 'revoke',
          summary: 'revoke a key',
          description: 'Revokes a key. Requests with it are refused from now on.',
          argument: {
            usage: '[key]',
            description: 'its id or name, as `key list` prints them; required without --name',
          },
          options: [
            {
              flags: '--name <name>',
              description: 'name of the key; use it instead of [key] if the name is a number',
            },
            json,
          ],
          examples: [{ command: 'backscatterd key revoke mirror' }],
          load: async () => (await import('../key.ts')).revokeKey,
        },
      ],
    },
    {
      name: 'audit',
      summary: 'show who changed what',
      description:
        'Shows the changes that match all options, the newest first. With --json each has the state before and after.',
      options: [
        {
          flags: '--actor <name>',
          description: 'changes by this key, or by cli, trap, config or policy',
        },
        {
          flags: '--action <action>',
          description: 'changes of this kind',
          values: Object.keys(auditActions),
        },
        {
          flags: '--target <target>',
          description: 'changes to exactly this address, prefix, trap, key or list',
        },
        { ...limit, description: 'how many changes to show at most', initial: '50' },
        json,
      ],
      examples: [
        { command: 'backscatterd audit' },
        { command: 'backscatterd audit --target 192.88.100.25' },
        { command: 'backscatterd audit --actor cli --limit 10' },
      ],
      load: async () => (await import('../audit.ts')).showAudit,
    },
  ],
}
