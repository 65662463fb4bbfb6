// A whole system to install on: a shell script runs as root in a mount namespace, where changes of the system's folders stay in
// memory, and in a network namespace with nothing but loopback. The project lies in /opt/backscatterd there.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryDirectory } from './door.ts'

const prelude = `
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$SCRATCH"
for folder in etc var usr opt; do
  device=$(stat -c %d "/$folder")
  mkdir -p "$SCRATCH/$folder/upper" "$SCRATCH/$folder/work"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$SCRATCH/$folder/upper,workdir=$SCRATCH/$folder/work" overlay "/$folder"
  test "$device" != "$(stat -c %d "/$folder")"
done
# The machine may have an installation of its own. It disappears here, and only here.
rm -rf /etc/backscatterd /var/lib/backscatterd /usr/local/bin/backscatterd /usr/local/share/man/man8/backscatterd.8 \\
  /etc/systemd/system/backscatterd.service
mkdir -p /opt/backscatterd
mount --bind "$CHECKOUT" /opt/backscatterd
ip link set lo up
cd "$SCRATCH"
quickstart() { /opt/backscatterd/node_modules/.bin/node /opt/backscatterd/src/main.ts quickstart "$@"; }
as_service="setpriv --reuid backscatterd --regid backscatterd --init-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service"
: > ready
serve() {
  $as_service backscatterd serve 2>log > ready & server=$!
  trap 'kill "$server" 2>/dev/null || true' EXIT
  until grep ready ready; do kill -0 "$server"; sleep 0.1; done
}
`

/**
 * Runs the script, with `args` as its own. Beside its commands it has `quickstart`, `serve` (starts the installed server as its
 * user, prints the ready line, sets `$server`), `$as_service COMMAND`, and `$SCRATCH`, the folder that it starts in.
 */
export function runOnWholeSystem(
  t: TestContext,
  script: string,
  args: readonly string[],
): SpawnSyncReturns<string> {
  const SCRATCH = temporaryDirectory(t)
  return spawnSync('unshare', ['--mount', '--net', 'sh', '-c', prelude + script, 'sh', ...args], {
    encoding: 'utf8',
    env: { ...process.env, SCRATCH, CHECKOUT: resolve('.') },
  })
}
