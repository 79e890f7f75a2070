/**
 * The rules of nftables that a router needs, as text: one table of its own, replaced as a whole in one transaction, so
 * that loading it twice is loading it once, and no packet meets a half.
 *
 * Connection tracking is loaded by the kernel when a rule needs it. Only masquerading does.
 */
import { isIPv4Prefix } from './prefixes.ts';

export const NFT_TABLE = 'weir_router';

export type RuleSet =
  | { readonly kind: 'none' }
  /** IPv4 from the sources to anywhere else leaves with the address of the interface it leaves by. */
  | { readonly kind: 'nat'; readonly sources: readonly string[] }
  /** VXLAN (UDP 4789) goes no further than the ring, and nobody answers it. */
  | { readonly kind: 'mirror-target' }
  /** GENEVE (UDP 6081) from the sources to one of the own addresses goes back as it came. */
  | {
      readonly kind: 'gwlb-target';
      readonly addresses: readonly string[];
      readonly sources: readonly string[];
    };

/** Marks packets of GENEVE that are on their way back; plus the place of the address that they came to. */
const FIRST_MARK = 0x60810000;

/** What `nft -f` reads. Where there are no rules, it takes those of before away. */
export function nftRules(rules: RuleSet): string {
  // `delete` alone fails where there is no table.
  const fresh = [`add table inet ${NFT_TABLE}`, `delete table inet ${NFT_TABLE}`];
  const chains = chainsOf(rules);
  if (chains.length === 0) return `${fresh.join('\n')}\n`;
  return `${[...fresh, `table inet ${NFT_TABLE} {`, ...chains.map((line) => `  ${line}`), '}'].join('\n')}\n`;
}

function chainsOf(rules: RuleSet): string[] {
  switch (rules.kind) {
    case 'none':
      return [];
    case 'nat': {
      const sources = rules.sources.filter(isIPv4Prefix);
      if (sources.length === 0) return [];
      return [
        setOf('sources', sources),
        'chain postrouting {',
        '  type nat hook postrouting priority srcnat; policy accept;',
        '  ip saddr @sources ip daddr != @sources masquerade',
        '}',
      ];
    }
    case 'mirror-target':
      return [
        'chain prerouting {',
        // Before connection tracking, wherever another rule has loaded it.
        '  type filter hook prerouting priority raw; policy accept;',
        '  fib daddr type local udp dport 4789 counter drop',
        '}',
      ];
    case 'gwlb-target': {
      const sources = rules.sources.filter(isIPv4Prefix);
      const addresses = rules.addresses.filter(isIPv4Prefix);
      if (sources.length === 0 || addresses.length === 0) return [];
      // The destination is changed before the route is looked up, the source behind it: a packet that comes in
      // with an address of this machine as its source would be a martian.
      return [
        setOf('sources', sources),
        'chain prerouting {',
        '  type filter hook prerouting priority raw; policy accept;',
        ...addresses.map(
          (address, i) =>
            `  ip daddr ${address} ip saddr @sources udp dport 6081 meta mark set ${FIRST_MARK + i} ip daddr set ip saddr counter`,
        ),
        '}',
        'chain postrouting {',
        '  type filter hook postrouting priority raw; policy accept;',
        ...addresses.map(
          (address, i) => `  meta mark ${FIRST_MARK + i} udp dport 6081 ip saddr set ${address} counter`,
        ),
        '}',
      ];
    }
  }
}

function setOf(name: string, prefixes: readonly string[]): string {
  return `set ${name} { type ipv4_addr; flags interval; auto-merge; elements = { ${prefixes.join(', ')} }; }`;
}
