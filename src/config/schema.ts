/**
 * Every option of `weir run`, `weir read` and `weir convert`, declared once: the flags, the YAML names, the defaults, the help and
 * the TypeScript type of the configuration all come from here.
 */
import { ROUTER_OPTIONS } from './router-options.ts';
import {
  boolean,
  choice,
  endpointOrOff,
  httpUrl,
  instant,
  integer,
  integerOrAuto,
  interfaceName,
  prefix,
  samplingRate,
  seconds,
  string,
  type ValueType,
} from './value-types.ts';

/** The commands that take options from the schema. */
export type ConfiguredCommand = 'run' | 'read' | 'convert' | 'router';

/** A mapping of the YAML file with options of its own. */
export type Section = 'router';

export interface Option<T> {
  /** In YAML; with `--` before it, the flag. */
  readonly name: string;
  /** In YAML it stands in the mapping of that name. */
  readonly section?: Section;
  /** The flag's one letter. */
  readonly alias?: string;
  readonly type: ValueType<T>;
  /** As text; undefined: there is no default. For a list: none. */
  readonly default?: string;
  /** Where a command has another default. */
  readonly defaultOf?: Partial<Record<ConfiguredCommand, string>>;
  /** The option may be given several times; in YAML it is a list. */
  readonly list?: true;
  /** … and a text may hold several values, separated by commas. */
  readonly commas?: true;
  /** A flag without a value. */
  readonly switch?: true;
  /** A flag only: it means nothing within a file. */
  readonly flagOnly?: true;
  readonly group: 'Capture' | 'Flows' | 'Flow logs' | 'AWS' | 'Export' | 'General' | 'Router';
  readonly commands: readonly ConfiguredCommand[];
  /** One line for `--help`, with the unit. */
  readonly help: string;
}

const RUN = ['run'] as const;
const BOTH = ['run', 'read'] as const;
const CONVERT = ['convert'] as const;
const ALL = ['run', 'read', 'convert'] as const;
const EVERY = ['run', 'read', 'convert', 'router'] as const;
const anySeconds = seconds(0.01, 604_800);

export const OPTIONS = {
  interfaces: {
    name: 'interface',
    alias: 'i',
    type: interfaceName,
    list: true,
    group: 'Capture',
    commands: RUN,
    help: 'Interface to capture on; repeat it for several',
  },
  direction: {
    name: 'direction',
    type: choice('ingress', 'egress', 'both'),
    default: 'ingress',
    group: 'Capture',
    commands: RUN,
    help: 'Which packets count: ingress (a router counts each once), egress or both',
  },
  promiscuous: {
    name: 'promiscuous',
    type: boolean,
    default: 'false',
    switch: true,
    group: 'Capture',
    commands: RUN,
    help: 'Also capture frames that are addressed to other machines',
  },
  capture: {
    name: 'capture',
    type: choice('ring', 'libpcap'),
    default: 'ring',
    group: 'Capture',
    commands: RUN,
    help: 'How to capture: ring (Linux, fast) or libpcap (anywhere)',
  },
  filter: {
    name: 'filter',
    type: string,
    group: 'Capture',
    commands: RUN,
    help: "Capture only what matches, in tcpdump's language: 'not port 22'",
  },
  workers: {
    name: 'workers',
    type: integerOrAuto(1, 64),
    default: '1',
    group: 'Capture',
    commands: RUN,
    help: 'Threads that share the packets, each an exporter of its own; auto: one a core',
  },
  decapsulate: {
    name: 'decapsulate',
    type: choice('vxlan', 'geneve', 'gre', 'ipip', '6in4'),
    list: true,
    commas: true,
    group: 'Flows',
    commands: BOTH,
    help: 'Tunnels to open and meter the inside of: vxlan,geneve,gre,ipip,6in4',
  },
  decapsulateFrom: {
    name: 'decapsulate-from',
    type: prefix,
    list: true,
    commas: true,
    group: 'Flows',
    commands: BOTH,
    help: 'Prefixes whose tunnels are opened: 10.0.0.0/8,2001:db8::/32; default any',
  },
  activeTimeoutSeconds: {
    name: 'active-timeout',
    type: anySeconds,
    default: '5',
    group: 'Flows',
    commands: BOTH,
    help: 'Seconds after which a flow that goes on is reported; fractions work',
  },
  idleTimeoutSeconds: {
    name: 'idle-timeout',
    type: anySeconds,
    default: '15',
    group: 'Flows',
    commands: BOTH,
    help: 'Seconds of silence after which a flow has ended',
  },
  maxFlows: {
    name: 'max-flows',
    type: integer(1, 16_000_000),
    default: '1048576',
    group: 'Flows',
    commands: BOTH,
    help: 'Flows in the table at once; a full table makes room',
  },
  fields: {
    name: 'fields',
    type: choice('standard', 'full'),
    default: 'standard',
    group: 'Flows',
    commands: BOTH,
    help: 'What a record carries: standard, or full (MAC, TTL, MPLS, TCP details)',
  },
  routes: {
    name: 'routes',
    type: choice('on', 'off'),
    default: 'on',
    group: 'Flows',
    commands: RUN,
    help: "Egress interface, next hop, prefix lengths from the kernel's routes: on or off",
  },
  biflow: {
    name: 'biflow',
    type: boolean,
    default: 'false',
    switch: true,
    group: 'Flows',
    commands: BOTH,
    help: 'Both directions in one record (RFC 5103, IPFIX); v5 and v9 get two records',
  },
  samplingInterval: {
    name: 'sampling',
    type: samplingRate,
    default: 'off',
    group: 'Flows',
    commands: BOTH,
    help: 'Meter one of N packets, 1:N; collectors are told, and scale',
  },
  samplingMode: {
    name: 'sampling-mode',
    type: choice('random', 'count'),
    default: 'random',
    group: 'Flows',
    commands: BOTH,
    help: 'Which of N packets: a random one, or the first (count)',
  },
  format: {
    name: 'format',
    type: string,
    group: 'Flow logs',
    commands: CONVERT,
    help: `Fields of lines without header: '\${version} \${srcaddr} …', in single quotes`,
  },
  rejects: {
    name: 'rejects',
    type: choice('keep', 'drop', 'only'),
    default: 'keep',
    group: 'Flow logs',
    commands: CONVERT,
    help: 'What becomes of rejected traffic: keep, drop, or only that',
  },
  vantage: {
    name: 'vantage',
    type: choice('ingress', 'egress', 'both'),
    default: 'both',
    group: 'Flow logs',
    commands: CONVERT,
    help: 'Both ends log a conversation: ingress or egress, by flow-direction, takes one',
  },
  interfaceMap: {
    name: 'interface-map',
    type: string,
    group: 'Flow logs',
    commands: CONVERT,
    help: 'File that keeps the number of each interface ID across restarts',
  },
  exporter: {
    name: 'exporter',
    type: choice('single', 'per-interface'),
    default: 'single',
    group: 'Flow logs',
    commands: CONVERT,
    help: 'single, or per-interface: a device for each, from its own address (CAP_NET_RAW)',
  },
  recordsPerSecond: {
    name: 'rate',
    type: integer(0, 100_000_000),
    default: '0',
    group: 'Flow logs',
    commands: CONVERT,
    help: 'Records a second at most; 0: as fast as it goes',
  },
  enterpriseNumber: {
    name: 'enterprise-number',
    type: integer(1, 4_294_967_295),
    group: 'Export',
    commands: ALL,
    help: 'Private Enterprise Number for what IPFIX has no published element for',
  },
  since: {
    name: 'since',
    type: instant,
    group: 'Flow logs',
    commands: CONVERT,
    help: 'From when on: 2026-11-26T14:00Z, or 90m, 6h, 2d before now (S3, CloudWatch)',
  },
  until: {
    name: 'until',
    type: instant,
    group: 'Flow logs',
    commands: CONVERT,
    help: 'Until when, as --since; that instant is not included',
  },
  follow: {
    name: 'follow',
    type: boolean,
    default: 'false',
    switch: true,
    group: 'Flow logs',
    commands: CONVERT,
    help: 'Go on with what comes later, until a signal; a queue is always followed',
  },
  checkpoint: {
    name: 'checkpoint',
    type: string,
    group: 'Flow logs',
    commands: CONVERT,
    help: 'File that remembers what was exported; a start goes on from there',
  },
  region: {
    name: 'region',
    type: string,
    group: 'AWS',
    commands: CONVERT,
    help: "AWS region; default: the source's own, the environment's or the profile's",
  },
  endpoint: {
    name: 'endpoint',
    type: httpUrl,
    group: 'AWS',
    commands: CONVERT,
    help: "URL of another endpoint than AWS's own: http://127.0.0.1:5000",
  },
  collectorUrls: {
    name: 'collector',
    alias: 'c',
    type: string,
    list: true,
    group: 'Export',
    commands: ALL,
    help: 'netflow5|netflow9|ipfix[+tcp|+tls]://HOST[:PORT], ipfix+file:///PATH; repeat it',
  },
  observationDomain: {
    name: 'observation-domain',
    type: integer(0, 4_294_967_295),
    default: '1',
    group: 'Export',
    commands: ALL,
    help: 'Observation Domain (IPFIX), Source ID (v9), engine (v5)',
  },
  templateRefreshSeconds: {
    name: 'template-refresh',
    type: anySeconds,
    default: '60',
    group: 'Export',
    commands: ALL,
    help: 'Seconds between two sendings of the templates over UDP',
  },
  mtu: {
    name: 'mtu',
    // 512 octets is what RFC 7011 §10.3.3 allows where the path is unknown.
    type: integer(512, 65_535),
    default: '1500',
    group: 'Export',
    commands: ALL,
    help: 'Octets of the largest datagram, IP and UDP headers included',
  },
  metrics: {
    name: 'metrics',
    type: endpointOrOff,
    default: '127.0.0.1:9469',
    defaultOf: { convert: 'off' },
    group: 'General',
    commands: ['run', 'convert'],
    help: 'ADDRESS:PORT for Prometheus, /healthz and /readyz; or off',
  },
  state: {
    name: 'state',
    type: string,
    group: 'General',
    commands: RUN,
    help: 'File that is there while Weir runs: by it a start knows how the last run ended',
  },
  json: {
    name: 'json',
    type: boolean,
    default: 'false',
    switch: true,
    group: 'General',
    commands: ALL,
    help: 'Write one flow record a line to standard output, as JSON',
  },
  config: {
    name: 'config',
    type: string,
    flagOnly: true,
    group: 'General',
    commands: EVERY,
    help: 'YAML file with these options by the same names; flags go before it',
  },
  ...ROUTER_OPTIONS,
} as const satisfies Record<string, Option<unknown>>;

/** The program's name of an option: a property of {@link Settings}. */
export type Property = keyof typeof OPTIONS;

type ValueOf<O> = O extends { type: ValueType<infer T> }
  ? O extends { list: true }
    ? readonly T[]
    : O extends { default: string }
      ? T
      : T | undefined
  : never;

/** The options' values. */
export type Settings = { readonly [P in Property]: ValueOf<(typeof OPTIONS)[P]> };

/** The sections of the YAML file. */
export const SECTIONS: readonly Section[] = ['router'];

/** Where a value came from: `default`, `flag --mtu` or `weir.yaml:12`. */
export type Origins = { readonly [P in Property]: string };

/** All options, in the order of the help. */
export const PROPERTIES = Object.keys(OPTIONS) as readonly Property[];

/** The declaration behind a property, without its narrow type. */
export function optionOf(property: Property): Option<unknown> {
  return OPTIONS[property];
}

/** The default of an option, as text, of one command. */
export function defaultText(
  option: Option<unknown>,
  command: ConfiguredCommand | undefined,
): string | undefined {
  return (command && option.defaultOf?.[command]) ?? option.default;
}

/** The property whose name that is: in YAML, within that section or outside of any. */
export function propertyNamed(name: string, section?: Section): Property | undefined {
  return propertiesOf(section).find((property) => OPTIONS[property].name === name);
}

/** The options of a section, or those outside of any. */
export function propertiesOf(section: Section | undefined): readonly Property[] {
  return PROPERTIES.filter((property) => optionOf(property).section === section);
}

/** The whole name, as in `router.nat`. */
export function fullName(property: Property): string {
  const { name, section } = optionOf(property);
  return section === undefined ? name : `${section}.${name}`;
}
