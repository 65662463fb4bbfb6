// Random listings, and addresses in and beside them, for servers that are to answer alike.
/** Octets and groups that often coincide: an IPv4 network and an IPv6 network may begin with the same labels. */
const octets = [2, 6, 9, 10, 62, 100, 255]
const digits = ['0', '2', '6', '9', 'a']

/** An address in no special-purpose range: neither in 10.0.0.0/8 nor in 2001::/23 or 2002::/16. */
export function randomAddress(random: () => number): string {
  const octet = () => octets[random() % octets.length] ?? 0
  if (random() % 2 === 0) {
    const first = 2 + (random() % 97)
    return [first < 10 ? first : first + 1, octet(), octet(), octet()].join('.')
  }
  const group = () => Array.from({ length: 4 }, () => digits[random() % digits.length]).join('')
  const first = `2${['6', '9', 'a'][random() % 3]}${group().slice(2)}`
  return `${first}:${group()}:${group()}:${group()}:${'0000:'.repeat(3)}000${random() % 10}`
}

export function randomPrefix(random: () => number, address: string): string {
  return address.includes(':')
    ? network6(address, [32, 36, 47, 48, 64, 64, 128][random() % 7] ?? 64)
    : network4(address, [16, 17, 22, 24, 24, 28, 32, 32][random() % 8] ?? 32)
}

function network4(address: string, length: number): string {
  const word = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const first = Math.floor(word / 2 ** (32 - length)) * 2 ** (32 - length)
  return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join('.')}/${length}`
}

function network6(address: string, length: number): string {
  const value = BigInt(`0x${address.replaceAll(':', '')}`)
  const bits = BigInt(128 - length)
  const hex = ((value >> bits) << bits).toString(16).padStart(32, '0')
  return `${hex.match(/.{4}/g)?.join(':')}/${length}`
}

/** The last address of a prefix, and an address inside. */
export function inside(prefix: string, random: () => number): string[] {
  const [address = '', length] = prefix.split('/')
  if (address.includes(':')) {
    const bits = BigInt(128 - Number(length))
    const first = BigInt(`0x${address.replaceAll(':', '')}`)
    const offsets = [0n, (1n << bits) - 1n, BigInt(random()) % (1n << bits)]
    return offsets.map(
      (offset) =>
        (first + offset).toString(16).padStart(32, '0').match(/.{4}/g)?.join(':') ?? address,
    )
  }
  const first = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const size = 2 ** (32 - Number(length))
  return [0, size - 1, random() % size, size].map((offset) =>
    [24, 16, 8, 0].map((shift) => ((first + offset) >>> shift) & 255).join('.'),
  )
}
