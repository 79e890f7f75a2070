/** The kernel's settings of a router, as paths below /proc/sys/net and the values that they are to have, in order. */

export interface Sysctl {
  /** `ipv4/ip_forward`. */
  readonly path: string;
  readonly value: string;
  /** Another value that is left as it is. */
  readonly orValue?: string | undefined;
}

/**
 * @param interfaces names of those that it forwards on
 * @param ipv6 this kernel has IPv6
 */
export function routerSysctls(interfaces: readonly string[], ipv6: boolean): Sysctl[] {
  const settings: [path: string, value: string, orValue?: string][] = [];
  if (ipv6) {
    // Before forwarding: where that is on, 1 means no, and the default route learnt from the router would go. With 0
    // another program listens to advertisements (systemd-networkd sets it, for it does), or nobody is to.
    for (const name of interfaces) settings.push([`ipv6/conf/${name}/accept_ra`, '2', '0']);
    settings.push(['ipv6/conf/all/forwarding', '1']);
    for (const name of interfaces) settings.push([`ipv6/conf/${name}/forwarding`, '1']);
  }
  // It sets the interfaces' own values to those of a router, so these come behind it.
  settings.push(['ipv4/ip_forward', '1']);
  for (const name of interfaces) settings.push([`ipv4/conf/${name}/forwarding`, '1']);
  // Loose: there is a way back to the source, by whatever interface. The larger of `all` and the interface's counts.
  for (const name of ['default', ...interfaces]) settings.push([`ipv4/conf/${name}/rp_filter`, '2']);
  // In a VPC what leaves by the interface it came in by is the rule, no reason to tell the sender. Either of the two
  // values would do to send them; to accept them it takes both.
  for (const name of ['all', 'default', ...interfaces]) {
    settings.push([`ipv4/conf/${name}/send_redirects`, '0']);
    settings.push([`ipv4/conf/${name}/accept_redirects`, '0']);
    settings.push([`ipv4/conf/${name}/secure_redirects`, '0']);
    if (ipv6) settings.push([`ipv6/conf/${name}/accept_redirects`, '0']);
  }
  return settings.map(([path, value, orValue]) => ({ path, value, orValue }));
}
