import t from 'tap';
import { ExportRig, hex, value } from './export-rig.ts';

const u32 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);

t.test('the octets of a datagram (Cisco tables B-3 and B-4)', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5', observationDomain: 0x0207 });
  rig.record(4, {
    sourceIPv4Address: '10.1.2.3',
    destinationIPv4Address: '192.0.2.254',
    sourceTransportPort: 0xc001,
    destinationTransportPort: 443,
    protocolIdentifier: 6,
    ipClassOfService: 0xb8,
    tcpControlBits: 0x1b,
    ingressInterface: 3,
    packetDeltaCount: 5,
    octetDeltaCount: 0x1234,
  });
  rig.exporter.flush();
  t.equal(
    hex(rig.datagrams[0]!),
    [
      '0005',
      '0001', // version, count
      '000f4240', //     SysUptime: 1 000 000 ms since boot
      '6553f100', //     unix_secs 1700000000
      '0754d4c0', //     unix_nsecs 123 000 000
      '00000000', //     flow_sequence
      '02',
      '07', //     engine type, engine ID
      '0000', //         sampling: none
      '0a010203',
      'c00002fe',
      '00000000', // srcaddr, dstaddr, nexthop
      '0003',
      '0000', // input, output
      '00000005',
      '00001234', // dPkts, dOctets
      '000f3e58',
      '000f4236', // First = 999 000, Last = 999 990
      'c001',
      '01bb',
      '00',
      '1b',
      '06',
      'b8', // ports, pad, tcp_flags, prot, tos
      '0000',
      '0000',
      '00',
      '00',
      '0000', // ASes, masks, pad
    ].join(''),
  );
});

t.test('what the routes say: nexthop, output, src_mask, dst_mask', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5' }, true);
  rig.record(4, {
    sourceIPv4Address: '10.1.2.3',
    destinationIPv4Address: '192.0.2.254',
    ingressInterface: 3,
    egressInterface: 0x0405,
    ipNextHopIPv4Address: '10.9.8.7',
    sourceIPv4PrefixLength: 24,
    destinationIPv4PrefixLength: 17,
    packetDeltaCount: 1,
    octetDeltaCount: 40,
  });
  rig.exporter.flush();
  const record = hex(rig.datagrams[0]!.subarray(24));
  t.equal(record.slice(16, 32), ['0a090807', '0003', '0405'].join(''), 'nexthop, input, output');
  t.equal(record.slice(80), ['0000', '0000', '18', '11', '0000'].join(''), 'ASes, masks, pad');
  t.equal(value(rig.records[0], 'ipNextHopIPv4Address'), '10.9.8.7');
});

t.test(
  'at most 30 records a datagram, its length exact, flow_sequence counts the flows before it',
  async (t) => {
    const rig = new ExportRig({ protocol: 'netflow5' });
    for (let i = 0; i < 75; i++) rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
    rig.exporter.flush();
    t.same(
      rig.datagrams.map((d) => [d[3], d.length, u32(d, 16)]),
      [
        [30, 24 + 48 * 30, 0],
        [30, 24 + 48 * 30, 30],
        [15, 24 + 48 * 15, 60],
      ],
    );
    rig.newSession();
    rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
    rig.exporter.flush();
    t.equal(u32(rig.datagrams.at(-1)!, 16), 0, 'a new session counts anew');
  },
);

t.test('a smaller MTU holds fewer records', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5', messageOctets: 484 });
  for (let i = 0; i < 20; i++) rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
  t.same(
    rig.datagrams.map((d) => d.length),
    [24 + 48 * 9, 24 + 48 * 9],
  );
});

t.test('counters beyond 32 bits become several records whose sums are exact', async (t) => {
  for (const [packets, octets] of [
    [2 ** 32 - 1, 2 ** 32 - 1],
    [7, 2 ** 32],
    [2 ** 33 + 5, 2 ** 40 / 100 + 3],
  ] as const) {
    const rig = new ExportRig({ protocol: 'netflow5' });
    rig.record(4, { packetDeltaCount: packets, octetDeltaCount: Math.floor(octets) });
    rig.exporter.flush();
    const sum = (name: string) => rig.records.reduce((total, r) => total + Number(value(r, name)), 0);
    t.equal(sum('packetDeltaCount'), packets);
    t.equal(sum('octetDeltaCount'), Math.floor(octets));
    t.equal(rig.exporter.sent.records, 1, 'still one Flow Record');
    t.equal(rig.exporter.sent.octets, Math.floor(octets));
  }
});

t.test('counters beyond what a datagram of 30 records can tell go into several', async (t) => {
  const octets = 2 ** 41 + 12_345;
  for (const messageOctets of [484, 1472]) {
    const rig = new ExportRig({ protocol: 'netflow5', messageOctets });
    rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
    rig.record(4, { packetDeltaCount: 1500, octetDeltaCount: octets });
    rig.record(4, { packetDeltaCount: 1, octetDeltaCount: 40 });
    rig.record(6, { packetDeltaCount: 1500, octetDeltaCount: octets });
    rig.exporter.flush();
    const sum = (name: string) => rig.records.reduce((total, r) => total + Number(value(r, name)), 0);
    t.equal(sum('packetDeltaCount'), 1502);
    t.equal(sum('octetDeltaCount'), octets + 80);
    t.equal(rig.exporter.sent.packets, 1502);
    t.equal(rig.exporter.sent.octets, octets + 80);
    t.equal(rig.exporter.accepted.records, rig.exporter.sent.records + 1);
    t.same(rig.exporter.notSent.get('not_representable'), { records: 1, packets: 1500, octets });
  }
});

t.test('First and Last decode to the true times, whatever the clock and the age of the record', async (t) => {
  const day = 86_400_000;
  const now = 1_700_000_000_123;
  const cases: [what: string, boot: number, clock: number, start: number, end: number][] = [
    ['live', now - 5000, now, now - 4000, now],
    ['live, a flow from before the start (the clock was stepped)', now - 5000, now, now - 9000, now - 8000],
    ['live, after 60 days', now - 60 * day, now, now - 4000, now - 1],
    ['live, a record ahead of the clock', now - 5000, now, now + 3000, now + 4000],
    ['a file', 0, now, now - 7000, now - 6999],
    [
      'a file, a record from 60 days before its greatest packet time',
      0,
      now,
      now - 60 * day,
      now - 60 * day + 5,
    ],
    ['a file from 1971', 0, 366 * day, 365 * day, 365 * day + 1],
  ];
  for (const protocol of ['netflow5', 'netflow9'] as const) {
    for (const [what, boot, clock, start, end] of cases) {
      const rig = new ExportRig({ protocol, bootMilliseconds: boot, clockMilliseconds: () => clock });
      rig.record(4, {
        flowStartMilliseconds: start,
        flowEndMilliseconds: end,
        packetDeltaCount: 1,
        octetDeltaCount: 9,
      });
      rig.exporter.flush();
      const datagram = rig.datagrams.at(-1)!;
      const uptime = u32(datagram, 4);
      const nanoseconds = protocol === 'netflow5' ? u32(datagram, 12) : 0;
      const unix = u32(datagram, 8) * 1000 + nanoseconds / 1e6;
      // v9's uptime fields are the last of a record: flowStartSysUpTime, flowEndSysUpTime, and no padding behind them.
      const first = protocol === 'netflow5' ? u32(datagram, 48) : u32(datagram, 20 + 4 + 60);
      const last = protocol === 'netflow5' ? u32(datagram, 52) : u32(datagram, 20 + 4 + 64);
      t.equal(unix - uptime + first, start, `${protocol}, ${what}: First`);
      t.equal(unix - uptime + last, end, `${protocol}, ${what}: Last`);
      t.ok(
        first > 0 && first <= last && last <= uptime,
        `${protocol}, ${what}: boot < First ≤ Last ≤ SysUptime`,
      );
    }
  }
});

t.test('records more than 49.7 days apart do not share a datagram', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5', bootMilliseconds: 0 });
  for (const days of [0, 1, 60, 61]) {
    const at = rig.clock - days * 86_400_000;
    rig.record(4, {
      flowStartMilliseconds: at,
      flowEndMilliseconds: at,
      packetDeltaCount: 1,
      octetDeltaCount: 9,
    });
  }
  rig.exporter.flush();
  t.same(
    rig.datagrams.map((d) => d[3]),
    [2, 2],
  );
  t.same(
    rig.records.map((r) => (rig.clock - Number(value(r, 'flowStartMilliseconds'))) / 86_400_000),
    [0, 1, 60, 61],
  );
});

t.test('what v5 cannot carry is counted and said once', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5' });
  rig.record(6, { packetDeltaCount: 2, octetDeltaCount: 99 });
  rig.record(6, { packetDeltaCount: 3, octetDeltaCount: 101 });
  rig.record(4, { ingressInterface: 70_000, packetDeltaCount: 1, octetDeltaCount: 40 });
  rig.record(4, { ingressInterface: 65_535, packetDeltaCount: 1, octetDeltaCount: 40 });
  rig.exporter.flush();
  t.same(rig.exporter.notSent.get('not_representable'), { records: 2, packets: 5, octets: 200 });
  t.same(
    rig.records.map((r) => value(r, 'ingressInterface')),
    [0, 65_535],
  );
  t.equal(rig.notices.length, 2);
  t.match(rig.notices[0], /IPv6/);
  t.match(rig.notices[1], /70000/);
  t.equal(rig.exporter.wideInterfaceRecords, 1);
});

t.test('an egress interface that does not fit, and both: a record counts once', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5' }, true);
  const plain = { packetDeltaCount: 1, octetDeltaCount: 2 ** 33 };
  rig.record(4, { ...plain, ingressInterface: 1, egressInterface: 70_000 });
  rig.record(4, { ...plain, ingressInterface: 80_000, egressInterface: 70_000 });
  rig.record(4, { ...plain, ingressInterface: 1, egressInterface: 65_535 });
  rig.exporter.flush();
  const interfaces = rig.records.map((r) => [value(r, 'ingressInterface'), value(r, 'egressInterface')]);
  // 2^33 octets need three records each.
  t.same(
    interfaces.filter((_, i) => i % 3 === 0),
    [
      [1, 0],
      [0, 0],
      [1, 65_535],
    ],
  );
  t.equal(interfaces.length, 9);
  t.equal(rig.exporter.wideInterfaceRecords, 2);
  t.match(rig.notices, [/^interface 70000 does not fit NetFlow v5's 16 bits and is sent as 0$/]);
});

t.test('ICMP: type and code in the destination port', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow5' });
  rig.record(4, {
    protocolIdentifier: 1,
    destinationTransportPort: 3 * 256 + 1,
    packetDeltaCount: 1,
    octetDeltaCount: 56,
  });
  rig.exporter.flush();
  t.equal(value(rig.records[0], 'destinationTransportPort'), 769);
  t.equal(value(rig.records[0], 'sourceTransportPort'), 0);
});

t.test(
  'an exporter that runs for 120 days: SysUptime would pass 2^32 ms, and no record notices',
  async (t) => {
    const HOUR = 3_600_000;
    for (const protocol of ['netflow5', 'netflow9'] as const) {
      const rig = new ExportRig({ protocol });
      const boots = new Set<number>();
      const wrong: string[] = [];
      let hours = 0;
      for (; hours < 120 * 24; hours++) {
        rig.clock += HOUR;
        const times = { flowStartMilliseconds: rig.clock - 5000, flowEndMilliseconds: rig.clock - 7 };
        rig.record(4, { ...times, packetDeltaCount: 1, octetDeltaCount: 9 });
        rig.exporter.flush();
        const record = rig.records.at(-1);
        for (const [name, wanted] of Object.entries(times)) {
          if (value(record, name) !== wanted) wrong.push(`${name} after ${hours} h: ${value(record, name)}`);
        }
        const datagram = rig.datagrams.at(-1)!;
        boots.add(u32(datagram, 8) * 1000 - u32(datagram, 4));
      }
      t.same(wrong, [], protocol);
      t.equal(rig.records.length, hours, `${protocol}: ${hours} records`);
      // v5 has milliseconds of its own in the header: boot is compared without them.
      const instants = new Set([...boots].map((boot) => Math.round(boot / HOUR)));
      t.equal(instants.size, 4, `${protocol}: boot moved only when it had to`);
    }
  },
);
