/** The checks of `weir doctor`. A `fail` keeps `weir run` from capturing with the ring; a `warn` takes a part away. */
import { OPTIONS } from '../config/schema.ts';
import { endpointOrOff } from '../config/value-types.ts';
import { CAP_NET_RAW, excessRights, readRights, START_UNPRIVILEGED } from '../system/rights.ts';
import type { Machine } from './machine.ts';

export type Status = 'ok' | 'info' | 'warn' | 'fail';

export interface Finding {
  readonly status: Status;
  readonly reason: string;
  /** The command, or the step, that mends it. */
  readonly mend?: string;
}

export interface Check {
  readonly name: string;
  find(machine: Machine): Promise<Finding[]>;
}

const LEAST_NODE = [20, 19] as const;
/** What `weir listen` and bursts of datagrams like to have room for, in octets. */
const GENEROUS_BUFFER = 4_194_304;

const ok = (reason: string): Finding[] => [{ status: 'ok', reason }];
const info = (reason: string): Finding[] => [{ status: 'info', reason }];
const warn = (reason: string, mend?: string): Finding[] => [
  { status: 'warn', reason, ...(mend && { mend }) },
];
const fail = (reason: string, mend?: string): Finding[] => [
  { status: 'fail', reason, ...(mend && { mend }) },
];
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export const CHECKS: readonly Check[] = [
  {
    name: 'Node.js',
    async find({ nodeVersion }) {
      const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
      const isEnough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
      if (isEnough) return ok(nodeVersion);
      return fail(`${nodeVersion} is older than ${LEAST_NODE.join('.')}`, 'install Node.js 20.19 or later');
    },
  },
  {
    name: 'platform',
    async find({ platform, arch, endianness }) {
      const machine = `${platform} on ${arch}`;
      if (endianness !== 'LE') return fail(`${machine} is big-endian; Weir keeps its records little-endian`);
      if (platform !== 'linux') return fail(`${machine} has no AF_PACKET ring`, 'weir run --capture libpcap');
      return ok(`${machine}, little-endian`);
    },
  },
  {
    name: 'addon',
    async find({ addon, exists }) {
      if (!exists(addon)) return fail(`${addon} is not built`, 'npm run setup');
      return ok(addon);
    },
  },
  {
    name: 'WebAssembly',
    async find({ tryPlainPackets }) {
      try {
        tryPlainPackets();
        return ok('meters plain packets');
      } catch (error) {
        return warn(
          `every packet is metered one by one, which takes about twice the processor: ${messageOf(error)}`,
          'npm run setup',
        );
      }
    },
  },
  {
    name: 'CAP_NET_RAW',
    async find({ platform, read }) {
      if (platform !== 'linux') return info('a capability of Linux only');
      const rights = readRights(read('/proc/self/status'));
      if (rights?.effective.includes(CAP_NET_RAW) === true) {
        if (rights.isRoot) {
          const reason = 'held, as root, which has more than Weir needs';
          return [{ status: 'info', reason, mend: START_UNPRIVILEGED }];
        }
        const excess = excessRights(rights);
        if (excess.length === 0) return ok('held, and nothing else');
        return warn(`held, and more than Weir needs: ${excess.join(', ')}`, START_UNPRIVILEGED);
      }
      // Never setcap on the node binary: every script on the machine would get it.
      return fail(
        'not held: no packet socket can be opened',
        'sudo weir …; as a service: AmbientCapabilities=CAP_NET_RAW in its systemd unit; or, as a user of your own: ' +
          START_UNPRIVILEGED,
      );
    },
  },
  {
    name: 'AF_PACKET ring',
    async find({ platform, addon, exists, read, interfaces, openRing }) {
      const target = interfaces.find(({ name }) => name === 'lo') ?? interfaces[0];
      if (platform !== 'linux' || !exists(addon) || target === undefined) return info('not tried');
      if (!holdsNetRaw(read('/proc/self/status'))) return info('not tried: see CAP_NET_RAW');
      try {
        const { segmentSizesKnown } = await openRing(target.name);
        if (segmentSizesKnown) return ok(`opens (tried on ${target.name})`);
        return warn(
          'opens, but the kernel hides what GRO merged: that counts as one packet',
          'ethtool -K eth0 gro off',
        );
      } catch (error) {
        return fail(
          messageOf(error),
          'within a container, its runtime must allow AF_PACKET besides CAP_NET_RAW',
        );
      }
    },
  },
  {
    name: '--filter',
    async find({ run }) {
      const tcpdump = await run('tcpdump', ['--version']);
      if (tcpdump === undefined)
        return warn('tcpdump, which compiles filters, is missing', 'apt-get install tcpdump');
      return ok('tcpdump compiles filters');
    },
  },
  {
    name: '--capture libpcap',
    async find({ loadLibpcap }) {
      try {
        await loadLibpcap();
        return ok('the package cap is there');
      } catch {
        return warn(
          'the package cap is not built',
          'apt-get install libpcap-dev g++ make && npm rebuild cap',
        );
      }
    },
  },
  {
    name: '--routes',
    async find({ platform, run }) {
      if (platform !== 'linux') return info("the kernel's routes are read on Linux only");
      const without = 'records carry no egress interface, next hop and prefix lengths';
      const rules = await run('ip', ['-json', 'rule', 'show']);
      if (rules === undefined) return warn(`ip is missing: ${without}`, 'apt-get install iproute2');
      if (rules.code !== 0)
        return warn(
          `ip does not print the rules as JSON: ${without}`,
          'apt-get install iproute2, 4.16 or later',
        );
      return ok("ip tells the kernel's routes");
    },
  },
  {
    name: 'demo',
    async find({ platform, run }) {
      if (platform !== 'linux') return warn('no network namespaces: it replays a capture instead');
      if ((await run('ip', ['-V'])) === undefined) return warn('ip is missing', 'apt-get install iproute2');
      const unshared = await run('unshare', ['--net', '--mount', 'true']);
      if (unshared === undefined) return warn('unshare is missing', 'apt-get install util-linux');
      if (unshared.code !== 0)
        return warn('may not make network namespaces: it replays a capture', 'sudo weir demo');
      return ok('network namespaces can be made');
    },
  },
  { name: 'interfaces', find: async (machine) => findInterfaces(machine) },
  {
    name: 'socket buffers',
    async find({ platform, read }) {
      if (platform !== 'linux') return info('unknown on this system');
      return ['rmem_max', 'wmem_max'].flatMap((name) => {
        const octets = Number(read(`/proc/sys/net/core/${name}`));
        if (Number.isNaN(octets)) return info(`net.core.${name} cannot be read here`);
        const reason = `net.core.${name} is ${octets} octets`;
        if (octets >= GENEROUS_BUFFER) return ok(reason);
        const who = name === 'rmem_max' ? 'weir listen' : 'an export burst';
        return [
          {
            status: 'info' as const,
            reason: `${reason}; ${who} may like more`,
            mend: `sysctl -w net.core.${name}=${GENEROUS_BUFFER}`,
          },
        ];
      });
    },
  },
  {
    name: 'forwarding',
    async find({ platform, read }) {
      if (platform !== 'linux') return info('unknown on this system');
      const state = (path: string) => ({ '0': 'off', '1': 'on' })[read(path) ?? ''] ?? 'unknown';
      const [v4, v6] = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'].map((path) =>
        state(`/proc/sys/net/${path}`),
      );
      return info(
        `IPv4 ${v4}, IPv6 ${v6}${v4 === 'on' || v6 === 'on' ? '' : ': this machine is no router now'}`,
      );
    },
  },
  {
    name: 'clock',
    async find({ run }) {
      const answer = await run('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
      const synchronized = answer?.code === 0 ? answer.stdout.trim() : undefined;
      if (synchronized === 'yes') return ok('synchronised');
      if (synchronized === 'no')
        return warn('not synchronised: records carry its time', 'timedatectl set-ntp true');
      return info('whether it is synchronised cannot be told');
    },
  },
  {
    name: 'metrics port',
    async find({ listen }) {
      const text = OPTIONS.metrics.default;
      const endpoint = endpointOrOff.parse(text);
      if (endpoint === undefined) return info('off by default');
      try {
        await listen(endpoint.host, endpoint.port);
        return ok(`${text} is free`);
      } catch (error) {
        return warn(
          `${text} cannot be listened on: ${messageOf(error)}`,
          'weir run --metrics ADDRESS:PORT, or off',
        );
      }
    },
  },
];

/** @param status the text of /proc/self/status */
function holdsNetRaw(status = ''): boolean {
  return readRights(status)?.effective.includes(CAP_NET_RAW) === true;
}

/** The interfaces that are up, and the offloads that change what a capture sees. */
async function findInterfaces({ interfaces, run }: Machine): Promise<Finding[]> {
  const up = interfaces.filter(({ isUp }) => isUp);
  if (up.length === 0) return warn('none is up: weir run will wait', 'ip link set eth0 up');
  const findings: Finding[] = [];
  for (const { name } of up) {
    const features = (await run('ethtool', ['-k', name]))?.stdout ?? '';
    const isOn = (feature: string) => new RegExp(`^${feature}: on`, 'm').test(features);
    const condition = `${name} is up`;
    if (isOn('large-receive-offload')) {
      // LRO may merge what differs in its headers, and keeps no size of the segments that were on the wire.
      findings.push(
        ...warn(`${condition}; LRO is on, which spoils counts and forwarding`, `ethtool -K ${name} lro off`),
      );
    } else {
      findings.push(
        ...ok(isOn('generic-receive-offload') ? `${condition}; GRO is on, which Weir undoes` : condition),
      );
    }
  }
  return findings;
}
