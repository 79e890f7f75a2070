/** The commands, as the help tells them. */
import { DEFAULT_DATAGRAMS_PER_SECOND } from '../config/collector-url.ts';
import type { ConfiguredCommand } from '../config/schema.ts';

export interface Command {
  /** For the overview. */
  readonly brief: string;
  readonly synopsis: string;
  /** For the overview, beside the brief. */
  readonly summary: string;
  readonly description: string;
  /** It takes the options that the schema gives to these commands. */
  readonly options: readonly ConfiguredCommand[];
  /** The help of its own `--json`, where it is no configured command or means something else there. */
  readonly json?: string;
  /** Behind the options in its help. */
  readonly epilogue?: string;
  readonly examples: readonly (readonly [command: string, what: string])[];
}

export const COMMANDS = {
  run: {
    brief: 'run -i eth0 [-c URL]',
    synopsis: 'weir run -i INTERFACE [-i INTERFACE …] [-c URL …]',
    summary: 'capture, meter and export until SIGTERM or SIGINT',
    description:
      'Captures what the interfaces receive, meters it into flows, and exports these to every collector until SIGTERM ' +
      'or SIGINT. Without a collector it shows the flows: a live table, or JSON lines where standard output is no ' +
      'terminal. SIGHUP reads the --config file again: collectors are added and taken away, the flows are kept.',
    options: ['run'],
    examples: [
      ['weir run -i eth0', 'watch the flows that come in on eth0'],
      ['weir run -i eth0 -i eth1 -c ipfix://10.0.0.9', 'a router with two interfaces, to port 4739'],
      ["weir run -i eth0 -c 'netflow9://[2001:db8::9]?mtu=1400'", 'to port 2055, in smaller datagrams'],
      [
        "weir run -i eth0 -c 'ipfix+file:///var/lib/weir/flows.ipfix?rotate-seconds=300'",
        'a file every 5 minutes',
      ],
    ],
  },
  read: {
    brief: 'read FILE… [-c URL]',
    synopsis: 'weir read FILE… [-c URL …] [--json]',
    summary: 'the same from pcap and pcapng files; - is standard input',
    description:
      'Meters the packets of pcap and pcapng files, by the clock of the file. Without a collector it shows a summary ' +
      'with the largest flows, or JSON lines where standard output is no terminal. FILE - is standard input.',
    options: ['read'],
    examples: [
      ['weir read office.pcapng', 'what is in it'],
      ['weir read --json a.pcap b.pcap > flows.jsonl', 'every flow record'],
      ['weir read a.pcap -c netflow5://127.0.0.1:2055', 'replay its flows to a collector'],
    ],
  },
  convert: {
    brief: 'convert SOURCE… [-c URL]',
    synopsis: 'weir convert SOURCE… [-c URL …] [--json]',
    summary: "AWS's VPC and transit gateway flow logs to NetFlow v5, v9, IPFIX or JSON",
    description:
      'Converts the flow logs of AWS, every version and format, from text, gzip or Parquet, and exports them to every ' +
      'collector. Without a collector it shows a summary with the largest flows, or JSON lines where standard output is no ' +
      'terminal. What becomes of every line is counted; a line that is faulty is told once a kind and never stops the rest.',
    options: ['convert'],
    epilogue: `SOURCE is a file or folder (.log, .log.gz, .parquet), - for standard input, s3://BUCKET/PREFIX, \
sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE (the queue's URL without https:), or cloudwatch://LOG-GROUP. Several are converted \
one after the other.

The fields of a line are told by its header or by Parquet's schema; else by --format; else by EC2's DescribeFlowLogs for a log \
group or a bucket; else they are those of version 2. Write --format in single quotes: within double quotes the shell would put the value of \
its own variable srcaddr, which is empty, in the place of \${srcaddr}.

Exits with 0 where every object was read to its end and every record left, faulty lines or not; with 1 where an object failed or \
a record was lost; with 2 after a mistake in options or arguments.`,
    examples: [
      ['weir convert flowlogs/', 'what is in the files of a folder'],
      ['weir convert a.log.gz -c netflow5://10.0.0.9', 'to port 2055'],
      [
        'weir convert s3://logs/AWSLogs --follow --checkpoint weir.state -c ipfix://10.0.0.9',
        'a bucket, and on',
      ],
      [
        `zcat a.gz | weir convert - --format '\${version} \${srcaddr} \${dstaddr} \${bytes}' --json`,
        'lines that have no header',
      ],
    ],
  },
  router: {
    brief: 'router [status]',
    synopsis:
      'weir router --config FILE [--dry-run]\nweir router status [--json]\nweir router release\nweir router resume\n' +
      'weir router fetch SOURCE FILE',
    summary: 'on AWS: forward, own routes of a VPC, take over from peers and hand back',
    description:
      'Makes this machine a router on AWS and keeps it one until SIGTERM: the settings of the kernel, NAT, the ' +
      'source/destination check, and the routes that it owns. `status` shows how it stands; `release` gives its routes ' +
      'to a peer until `resume`. `fetch` writes the configuration from ssm:NAME or user-data to FILE, if it has no ' +
      'mistake. The options stand under `router:` in the file.',
    options: ['router'],
    json: 'status: write one JSON document',
    examples: [
      ['weir router --config /etc/weir/weir.yaml --dry-run', 'what it would do'],
      ['weir router status', 'interfaces, checks, routers, routes and who owns them'],
      ['weir router release', 'before maintenance'],
      [
        "weir router fetch 'ssm:/weir/{group}' /etc/weir/weir.yaml",
        "the parameter of this instance's tag weir:group",
      ],
    ],
  },
  listen: {
    brief: 'listen [ADDRESS:]PORT',
    synopsis: 'weir listen [ADDRESS:]PORT [--json]',
    summary: 'the other end: decode NetFlow v5, v9 and IPFIX and print the records',
    description:
      'Receives NetFlow v5, v9 and IPFIX over UDP, and IPFIX over TCP, and prints every record: a table on a terminal, ' +
      'JSON lines elsewhere or with --json. ADDRESS is 127.0.0.1 unless given.',
    options: [],
    json: 'Write one flow record a line to standard output, as JSON',
    examples: [['weir listen 0.0.0.0:4739', 'receive from other machines']],
  },
  demo: {
    brief: 'demo [SECONDS]',
    synopsis: 'weir demo [SECONDS] [--json]',
    summary: 'the whole way at work, on this machine alone',
    description:
      'Lays out client, router and server in network namespaces, sends real traffic through the router, and shows the ' +
      'flow records that a collector received. Where that cannot be (it takes Linux and root), it replays a capture ' +
      'that it generates. Ctrl-C ends it, or SECONDS do, and it leaves nothing behind.',
    options: [],
    json: 'Write one flow record a line to standard output, as JSON',
    examples: [
      ['sudo weir demo', 'with real traffic'],
      ['sudo weir demo 10 --json', 'ten seconds of it, for a program to read'],
    ],
  },
  doctor: {
    brief: 'doctor',
    synopsis: 'weir doctor [--json]',
    summary: "what this machine can and cannot do for Weir, and how to mend what it can't",
    description:
      'Checks what this machine can do for Weir. Exits with 0 where `weir run` can capture, else with 1.',
    options: [],
    json: 'Write the checks as one JSON document',
    examples: [['sudo weir doctor', 'what root can do']],
  },
  config: {
    brief: 'config [check FILE]',
    synopsis: 'weir config [OPTIONS OF run, read AND convert] [--json]\nweir config check FILE',
    summary: 'the effective configuration and where each value came from; or check a file',
    description:
      'Shows the value of every option and where it came from: a flag, a line of the YAML file, or the default. ' +
      '`check` tells every mistake in a YAML file and exits with 0 where there is none, else with 2.',
    options: ['run', 'read', 'convert'],
    json: 'Write the configuration as one JSON document',
    examples: [
      ['weir config --config /etc/weir.yaml', 'what is in force'],
      ['weir config check /etc/weir.yaml', 'before a reload'],
    ],
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** What `weir --help` shows. */
export const OVERVIEW = `weir measures what a router forwards: packets to NetFlow v5, v9 and IPFIX, in real time.

${COMMAND_NAMES.map((name) => `  weir ${COMMANDS[name].brief.padEnd(25)} ${COMMANDS[name].summary}`).join('\n')}

Examples:
  sudo weir demo                                  see it at work
  sudo weir run -i eth0 -c ipfix://10.0.0.9:4739  measure eth0, report to a collector
  weir read capture.pcap                          what flows are in a capture

weir COMMAND --help shows a command's options; weir --version the version.
`;

/** What the help adds to the option --collector. */
export const COLLECTOR_HELP = `A collector is netflow5://HOST[:2055], netflow9://HOST[:2055], ipfix://HOST[:4739] or ipfix+tcp://HOST[:4739], an \
IPv6 address in brackets. Behind a ? it takes values of its own, joined by &: mtu, template-refresh, template-refresh-packets, \
observation-domain, source (the local address), rate (datagrams a second, default ${DEFAULT_DATAGRAMS_PER_SECOND}, 0: unpaced), \
tcp-control-bits (8 or 16).`;
