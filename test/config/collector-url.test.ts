import t from 'tap';
import { type CollectorConfig, parseCollectorUrl } from '../../src/config/collector-url.ts';
import { BadValue } from '../../src/config/value-types.ts';

const OPTIONS = { mtu: 1500, templateRefreshSeconds: 60, observationDomain: 1 };

const IPFIX: Omit<CollectorConfig, 'url'> = {
  protocol: 'ipfix',
  transport: 'udp',
  host: 'h',
  port: 4739,
  tls: undefined,
  file: undefined,
  balance: undefined,
  mtu: 1500,
  templateRefreshSeconds: 60,
  templateRefreshPackets: 4096,
  observationDomain: 1,
  source: undefined,
  datagramsPerSecond: 20_000,
  tcpControlBitsOctets: 2,
};
const V9 = { ...IPFIX, protocol: 'netflow9', port: 2055 } as const;
const TLS = {
  ...IPFIX,
  transport: 'tls',
  port: 4740,
  tls: { ca: undefined, cert: undefined, key: undefined },
} as const;
const FILE = {
  ...IPFIX,
  transport: 'file',
  host: '',
  port: 0,
  file: { path: '/var/lib/flows.ipfix', rotateOctets: undefined, rotateSeconds: undefined },
} as const;
const V5 = { ...V9, protocol: 'netflow5', tcpControlBitsOctets: 1 } as const;

t.test('what a URL means', async (t) => {
  const good: [url: string, Omit<CollectorConfig, 'url'>][] = [
    ['ipfix://h', IPFIX],
    ['ipfix://h/', IPFIX],
    ['IPFIX://h', IPFIX],
    ['ipfix://h?', IPFIX],
    ['netflow9://h', V9],
    ['netflow5://h', V5],
    ['ipfix+tcp://h', { ...IPFIX, transport: 'tcp' }],
    ['netflow9://collector.example.net:9996', { ...V9, host: 'collector.example.net', port: 9996 }],
    ['ipfix://flow_collector:1', { ...IPFIX, host: 'flow_collector', port: 1 }],
    ['ipfix://10.0.0.9:65535', { ...IPFIX, host: '10.0.0.9', port: 65535 }],
    ['ipfix://[2001:db8::9]', { ...IPFIX, host: '2001:db8::9' }],
    ['ipfix://[2001:db8::9]:80', { ...IPFIX, host: '2001:db8::9', port: 80 }],
    ['ipfix://[fe80::1%25eth0]', { ...IPFIX, host: 'fe80::1%eth0' }],
    ['ipfix://[fe80::1%eth0]', { ...IPFIX, host: 'fe80::1%eth0' }],
    ['ipfix://h?mtu=1400', { ...IPFIX, mtu: 1400 }],
    ['ipfix://h/?template-refresh=0.5', { ...IPFIX, templateRefreshSeconds: 0.5 }],
    ['ipfix://h/?template-refresh-packets=20', { ...IPFIX, templateRefreshPackets: 20 }],
    ['ipfix://h?observation-domain=4294967295', { ...IPFIX, observationDomain: 4_294_967_295 }],
    ['netflow5://h?observation-domain=65535', { ...V5, observationDomain: 65_535 }],
    ['ipfix://h?rate=0', { ...IPFIX, datagramsPerSecond: 0 }],
    ['ipfix://h?source=10.0.0.1', { ...IPFIX, source: '10.0.0.1' }],
    ['ipfix://[::1]?source=::1', { ...IPFIX, host: '::1', source: '::1' }],
    ['ipfix://[::1]?source=[::1]', { ...IPFIX, host: '::1', source: '::1' }],
    ['ipfix://h?source=%3A%3A1', { ...IPFIX, source: '::1' }],
    ['ipfix://h?tcp-control-bits=8', { ...IPFIX, tcpControlBitsOctets: 1 }],
    ['ipfix://h?tcp-control-bits=16', IPFIX],
    ['netflow5://h?tcp-control-bits=8', V5],
    ['ipfix://h?balance=site-a.1', { ...IPFIX, balance: 'site-a.1' }],
    ['ipfix+tcp://h?source=10.0.0.1', { ...IPFIX, transport: 'tcp', source: '10.0.0.1' }],
    ['ipfix+tls://h', TLS],
    ['ipfix+tls://h:99?ca=ca.pem', { ...TLS, port: 99, tls: { ...TLS.tls, ca: 'ca.pem' } }],
    [
      'ipfix+tls://[2001:db8::9]?cert=/etc/weir/cert.pem&key=/etc/weir/key%20of%20mine.pem&observation-domain=7',
      {
        ...TLS,
        host: '2001:db8::9',
        tls: { ca: undefined, cert: '/etc/weir/cert.pem', key: '/etc/weir/key of mine.pem' },
        observationDomain: 7,
      },
    ],
    ['ipfix+file:///var/lib/flows.ipfix', FILE],
    ['ipfix+file:///a%3Fb%25', { ...FILE, file: { ...FILE.file, path: '/a?b%' } }],
    [
      'ipfix+file:///var/lib/flows.ipfix?rotate-octets=100M&rotate-seconds=300',
      { ...FILE, file: { ...FILE.file, rotateOctets: 104_857_600, rotateSeconds: 300 } },
    ],
    [
      'ipfix+file:///f?rotate-octets=64K',
      { ...FILE, file: { ...FILE.file, path: '/f', rotateOctets: 65_536 } },
    ],
    [
      'netflow9://h?mtu=1400&template-refresh=30&observation-domain=7&source=10.0.0.1&rate=5000&tcp-control-bits=8',
      {
        ...V9,
        mtu: 1400,
        templateRefreshSeconds: 30,
        observationDomain: 7,
        source: '10.0.0.1',
        datagramsPerSecond: 5000,
        tcpControlBitsOctets: 1,
      },
    ],
  ];
  for (const [url, expected] of good) t.same(parseCollectorUrl(url, OPTIONS), { url, ...expected }, url);
});

t.test('what it does not say comes from the options', async (t) => {
  const options = { mtu: 9000, templateRefreshSeconds: 1.5, observationDomain: 42 };
  t.match(parseCollectorUrl('ipfix://h', options), options);
  t.match(parseCollectorUrl('ipfix://h?mtu=600', options), { ...options, mtu: 600 });
});

t.test('what is wrong with a URL', async (t) => {
  const bad: [url: string, message: string][] = [
    ['', 'not a URL like ipfix://HOST:4739'],
    ['10.0.0.9:2055', 'not a URL like ipfix://HOST:4739'],
    ['ipfix:10.0.0.9', 'not a URL like ipfix://HOST:4739'],
    ['ipfx://h', 'unknown scheme "ipfx"; did you mean "ipfix"?'],
    ['netflow://h', 'unknown scheme "netflow"; did you mean "netflow5"?'],
    [
      'http://h',
      'unknown scheme "http"; Weir knows netflow5, netflow9, ipfix, ipfix+tcp, ipfix+tls, ipfix+file',
    ],
    [
      'constructor://h',
      'unknown scheme "constructor"; Weir knows netflow5, netflow9, ipfix, ipfix+tcp, ipfix+tls, ipfix+file',
    ],
    ['ipfix://', 'the host is missing'],
    ['ipfix://:4739', 'the host is missing'],
    ['ipfix://?mtu=1400', 'the host is missing'],
    ['ipfix://u:p@h', 'a collector takes no user and no password'],
    ['ipfix://@h', 'a collector takes no user and no password'],
    ['ipfix://h/flows', 'a collector has no path ("/flows")'],
    ['ipfix://h#top', 'a collector has no fragment ("#top")'],
    ['ipfix://h:', '"" is not a port from 1 to 65535'],
    ['ipfix://h:0', '"0" is not a port from 1 to 65535'],
    ['ipfix://h:65536', '"65536" is not a port from 1 to 65535'],
    ['ipfix://h:0x50', '"0x50" is not a port from 1 to 65535'],
    ['ipfix://h:80:81', '"h:80:81" is not HOST:PORT; write an IPv6 address in brackets: [2001:db8::1]:4739'],
    ['ipfix://[::1', '"[::1" is not HOST:PORT; write an IPv6 address in brackets: [2001:db8::1]:4739'],
    ['netflow9://::1', '"::1" is not HOST:PORT; write an IPv6 address in brackets: [2001:db8::1]:2055'],
    ['ipfix://[10.0.0.1]', '"[10.0.0.1]" is neither a host name nor an IP address'],
    ['ipfix://[]:1', '"[]" is neither a host name nor an IP address'],
    ['ipfix://256.1.1.1', '"256.1.1.1" is neither a host name nor an IP address'],
    ['ipfix://10.0.0', '"10.0.0" is neither a host name nor an IP address'],
    ['ipfix://a%20b', '"a%20b" is neither a host name nor an IP address'],
    ['ipfix://a..b', '"a..b" is neither a host name nor an IP address'],
    ['ipfix://-a', '"-a" is neither a host name nor an IP address'],
    ['ipfix://h?mut=1', 'unknown parameter "mut"; did you mean "mtu"?'],
    [
      'ipfix://h?template_refresh=1',
      'unknown parameter "template_refresh"; did you mean "template-refresh"?',
    ],
    [
      'ipfix://h?toString=1',
      'unknown parameter "toString"; Weir knows mtu, template-refresh, template-refresh-packets, observation-domain, source, rate, tcp-control-bits, balance',
    ],
    ['ipfix://h?mtu', 'mtu: "" is not a whole number from 512 to 65535'],
    ['ipfix://h?mtu=511', 'mtu: "511" is not a whole number from 512 to 65535'],
    ['ipfix://h?mtu=1400&mtu=1400', 'mtu is given twice'],
    ['ipfix://h?template-refresh=soon', 'template-refresh: "soon" is not a number of seconds'],
    ['ipfix://h?template-refresh=0', 'template-refresh: "0" is not between 0.01 and 604800 seconds'],
    [
      'ipfix://h?observation-domain=-1',
      'observation-domain: "-1" is not a whole number from 0 to 4294967295',
    ],
    ['ipfix://h?source=eth0', 'source: "eth0" is not an IP address'],
    ['ipfix://10.0.0.9?source=::1', 'source ::1 and host 10.0.0.9 are not of one IP version'],
    ['ipfix://h?rate=fast', 'rate: "fast" is not a whole number from 0 to 10000000'],
    ['ipfix://h?tcp-control-bits=12', 'tcp-control-bits: "12" is not 8 or 16'],
    ['ipfix+tls://h?kee=1', 'unknown parameter "kee"; did you mean "key"?'],
    ['ipfix+tcp://h?rate=5', 'rate means nothing to ipfix+tcp://: it sends no datagrams'],
    ['IPFIX+TLS://h?mtu=1400', 'mtu means nothing to ipfix+tls://: it sends no datagrams'],
    ['ipfix+file:///f?mtu=1400', 'mtu means nothing to ipfix+file://: it sends no datagrams'],
    [
      'ipfix+file:///f?source=::1',
      'source means nothing to ipfix+file://: a file is not sent from an address',
    ],
    [
      'ipfix+file:///f?template-refresh=5',
      'template-refresh means nothing to ipfix+file://: every file begins with the templates',
    ],
    [
      'ipfix+tls://h?template-refresh-packets=5',
      'template-refresh-packets means nothing to ipfix+tls://: templates are sent once a connection',
    ],
    [
      'netflow5://h?template-refresh=5',
      'template-refresh means nothing to netflow5://: NetFlow v5 has no templates',
    ],
    ['ipfix+tcp://h?ca=ca.pem', 'ca means nothing to ipfix+tcp://: certificates belong to ipfix+tls://'],
    ['ipfix://h?rotate-octets=1M', 'rotate-octets means nothing to ipfix://: only files are rotated'],
    ['ipfix+tls://h?cert=c', 'cert: the key of the certificate is missing; give key='],
    ['ipfix+tls://h?key=k', 'key: the certificate of the key is missing; give cert='],
    ['ipfix+tls://h?ca=', 'ca: "" is empty'],
    ['ipfix://h?balance=a/b', 'balance: "a/b" is not a name of letters, digits, ".", "-" and "_"'],
    [
      'ipfix+file://flows.ipfix',
      '"flows.ipfix" stands where a host would; write a file as ipfix+file:///PATH, with three slashes',
    ],
    ['ipfix+file:///', '"/" is not the path of a file'],
    ['ipfix+file:///flows/', '"/flows/" is not the path of a file'],
    ['ipfix+file:///100%', '"/100%": a "%" is written %25'],
    ['ipfix+file:///f#1', 'a collector has no fragment ("#1")'],
    [
      'ipfix+file:///f?rotate-octets=1.5M',
      'rotate-octets: "1.5M" is not a number of octets, like 65536, 64K, 100M or 1G',
    ],
    ['ipfix+file:///f?rotate-octets=1K', 'rotate-octets: "1K" is not from 65536 to 1125899906842624 octets'],
    ['ipfix+file:///f?rotate-seconds=0', 'rotate-seconds: "0" is not between 1 and 31536000 seconds'],
    ['netflow5://h?tcp-control-bits=16', 'tcp-control-bits: NetFlow v5 has 8 bits for the TCP flags, not 16'],
    [
      'netflow5://h?observation-domain=65536',
      'observation-domain: 65536 does not fit NetFlow v5, which has 16 bits for it',
    ],
  ];
  for (const [url, message] of bad) t.equal(mistakeIn(url), `${JSON.stringify(url)}: ${message}`, url);
});

function mistakeIn(url: string): string | undefined {
  try {
    parseCollectorUrl(url, OPTIONS);
    return undefined;
  } catch (error) {
    if (error instanceof BadValue) return error.message;
    throw error;
  }
}
