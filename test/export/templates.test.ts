import t from 'tap';
import { ExportRig, hex, METERING, value } from './export-rig.ts';

const u16 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint16(at);
const u32 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);

/** [set ID, length] of each Set; throws where they do not fill the message exactly. */
function sets(message: Uint8Array, header: number): [number, number][] {
  const found: [number, number][] = [];
  let at = header;
  while (at < message.length) {
    const length = u16(message, at + 2);
    if (length < 4) throw new Error(`a Set of length ${length}`);
    found.push([u16(message, at), length]);
    at += length;
  }
  if (at !== message.length) throw new Error('the Sets exceed the message');
  return found;
}

const plain = { packetDeltaCount: 1, octetDeltaCount: 40 };

t.test('the octets of an IPFIX data message (RFC 7011 §3)', async (t) => {
  const rig = new ExportRig();
  rig.record(4, {
    sourceIPv4Address: '10.1.2.3',
    destinationIPv4Address: '192.0.2.254',
    sourceTransportPort: 0xc001,
    destinationTransportPort: 0x0301,
    protocolIdentifier: 1,
    ipClassOfService: 0xb8,
    tcpControlBits: 0x0112,
    flowEndReason: 3,
    ingressInterface: 3,
    vlanId: 100,
    packetDeltaCount: 5,
    octetDeltaCount: 2 ** 40 + 1,
    flowStartMilliseconds: 1_700_000_000_000,
    flowEndMilliseconds: 1_700_000_000_255,
  });
  rig.exporter.flush();
  const message = rig.datagrams.at(-1)!;
  t.equal(
    hex(message),
    [
      '000a',
      '0050', // version, length 80
      '6553f100', //     export time 1700000000
      '00000003', //     sequence: three options Data Records went before
      '00000007', //     observation domain
      hex(message.subarray(16, 18)),
      '0040', // set ID (the template's), length 64
      '0a010203',
      'c00002fe',
      'c001',
      '0301',
      '01',
      'b8',
      '0112', // addresses, ports, protocol, ToS, flags
      '0301',
      '04',
      '03', // icmpTypeCodeIPv4, ipVersion, flowEndReason
      '00000003',
      '0064',
      '0064', // ingressInterface, vlanId, dot1qVlanId
      '0000000000000005',
      '0000010000000001', // packets, octets
      '0000018bcfe56800',
      '0000018bcfe568ff', // start, end
    ].join(''),
  );
});

for (const protocol of ['ipfix', 'netflow9'] as const) {
  const header = protocol === 'ipfix' ? 16 : 20;

  t.test(
    `${protocol}: templates come first, describe the data exactly, and mean the same after a restart`,
    async (t) => {
      const rig = new ExportRig({ protocol, fields: 'full' });
      const first = rig.datagrams[0]!;
      t.same(
        sets(first, header)
          .map(([id]) => id)
          .slice(0, 2),
        protocol === 'ipfix' ? [2, 3] : [0, 1],
      );
      for (const version of [4, 6] as const)
        rig.record(version, { ...plain, minimumTTL: 9, tcpSynTotalCount: 4 });
      rig.exporter.flush();
      t.equal(rig.decoder.counters.missingTemplate, 0);
      t.same(
        rig.records.map((r) => [value(r, 'ipVersion'), value(r, 'minimumTTL'), value(r, 'tcpSynTotalCount')]),
        [
          [4, 9, 4],
          [6, 9, 4],
        ],
      );
      const again = new ExportRig({ protocol, fields: 'full' });
      t.equal(hex(again.datagrams[0]!), hex(first), 'the same IDs from the same fields');
      const other = new ExportRig({ protocol, fields: 'standard' });
      const ids = (rig: ExportRig) => u16(rig.datagrams[0]!, header + 4);
      t.not(ids(other), ids(rig), 'and others from others');
    },
  );

  t.test(
    `${protocol}: no message exceeds its size; Sets and records fill it to the last octet that fits`,
    async (t) => {
      for (const messageOctets of [484, 512, 1000, 1452, 1472]) {
        const rig = new ExportRig({ protocol, messageOctets });
        for (let i = 0; i < 200; i++) rig.record(i % 7 === 0 ? 6 : 4, plain);
        rig.exporter.flush();
        for (const datagram of rig.datagrams) {
          t.ok(datagram.length <= messageOctets) || t.comment(`${datagram.length} > ${messageOctets}`);
          t.ok(sets(datagram, header).length > 0, 'no message without a Set');
          if (protocol === 'ipfix') t.equal(u16(datagram, 2), datagram.length);
          else
            t.ok(
              sets(datagram, header).every(([, length]) => length % 4 === 0),
              'FlowSets are padded to 4 octets',
            );
        }
        t.equal(rig.records.length, 200);
        const only4 = new ExportRig({ protocol, messageOctets });
        for (let i = 0; i < 200; i++) only4.record(4, plain);
        const full = only4.datagrams.at(-1)!;
        const recordOctets = protocol === 'ipfix' ? 60 : 68;
        t.ok(full.length + recordOctets > messageOctets - 3, 'no whole record more would have fitted');
      }
    },
  );

  t.test(`${protocol}: what the routes say, only where they are known`, async (t) => {
    const rig = new ExportRig({ protocol, fields: 'full' }, true);
    const route = { egressInterface: 70_000, minimumTTL: 7 };
    rig.record(4, {
      ...plain,
      ...route,
      ipNextHopIPv4Address: '10.9.8.7',
      sourceIPv4PrefixLength: 24,
      destinationIPv4PrefixLength: 9,
    });
    rig.record(6, {
      ...plain,
      ...route,
      ipNextHopIPv6Address: 'fe80::12:34',
      sourceIPv6PrefixLength: 64,
      destinationIPv6PrefixLength: 127,
    });
    rig.exporter.flush();
    const names = ['egressInterface', 'ipNextHopIPv', 'sourceIPv', 'destinationIPv', 'minimumTTL'];
    const said = (record: (typeof rig.records)[number]) =>
      Object.fromEntries(
        record.shape.fields
          .map(({ name }, i) => [name, record.values[i]] as const)
          .filter(
            ([name]) => names.some((each) => name.startsWith(each)) && !/^(source|dest).*Address$/.test(name),
          ),
      );
    t.same(rig.records.map(said), [
      {
        ...route,
        ipNextHopIPv4Address: '10.9.8.7',
        sourceIPv4PrefixLength: 24,
        destinationIPv4PrefixLength: 9,
      },
      {
        ...route,
        ipNextHopIPv6Address: 'fe80::12:34',
        sourceIPv6PrefixLength: 64,
        destinationIPv6PrefixLength: 127,
      },
    ]);
    const without = new ExportRig({ protocol, fields: 'full' });
    without.record(4, plain);
    without.exporter.flush();
    t.equal(value(without.records[0], 'egressInterface'), undefined);
    const ids = (each: ExportRig) => u16(each.datagrams[0]!, header + 4);
    t.not(ids(without), ids(rig), 'another template');
  });

  t.test(`${protocol}: the sequence`, async (t) => {
    const rig = new ExportRig({ protocol });
    for (let i = 0; i < 100; i++) rig.record(4, plain);
    rig.exporter.flush();
    rig.exporter.refresh();
    for (let i = 0; i < 10; i++) rig.record(6, plain);
    rig.exporter.flush();
    const sequences = rig.datagrams.map((d) => u32(d, protocol === 'ipfix' ? 8 : 12));
    if (protocol === 'ipfix') {
      // Data Records before the message; options data counts, templates do not.
      let records = 0;
      const expected = rig.datagrams.map((d) => {
        const before = records;
        const decoded = new Map<number, number>();
        for (const [id, length] of sets(d, header)) if (id > 3) decoded.set(id, length);
        records += id4(decoded, d);
        return before;
      });
      t.same(sequences, expected);
    } else
      t.same(
        sequences,
        rig.datagrams.map((_, i) => i),
        'Export Packets before this one',
      );
    const { lostRecords, lostPackets } = rig.decoder.counters;
    t.same([lostRecords, lostPackets], [0, 0], 'the collector sees no gap');
    rig.newSession();
    t.equal(u32(rig.datagrams.at(-1)!, protocol === 'ipfix' ? 8 : 12), 0, 'a new session counts anew');
  });

  t.test(`${protocol}: options data names interfaces and tells the processes' statistics`, async (t) => {
    const rig = new ExportRig({ protocol });
    rig.record(4, { packetDeltaCount: 3, octetDeltaCount: 120 });
    rig.exporter.flush();
    rig.options.length = 0;
    rig.exporter.refresh();
    const [name, metering, exporting] = rig.options;
    t.equal(rig.options.length, 3);
    t.equal(value(name, 'interfaceName'), 'eth0');
    t.equal(value(metering, 'observedFlowTotalCount'), 2 ** 40);
    t.equal(value(metering, 'droppedPacketTotalCount'), 15);
    t.equal(value(exporting, 'exportedFlowRecordTotalCount'), 1);
    t.equal(value(exporting, 'exportedMessageTotalCount'), rig.datagrams.length - 1);
    t.equal(
      value(exporting, 'exportedOctetTotalCount'),
      rig.datagrams.slice(0, -1).reduce((sum, d) => sum + d.length, 0),
    );
  });

  t.test(
    `${protocol}: templates are sent again by time, by number of messages, and at a new session`,
    async (t) => {
      const rig = new ExportRig({ protocol, templateRefreshMilliseconds: 1000 });
      const count = () => rig.exporter.templatesSent;
      t.equal(count(), 1);
      rig.monotonic = 999;
      rig.exporter.tick(0);
      t.equal(count(), 1);
      rig.monotonic = 1000;
      rig.exporter.tick(0);
      t.equal(count(), 2);
      rig.exporter.tick(0);
      t.equal(count(), 2, 'once');
      rig.newSession();
      t.equal(count(), 3);
      const byNumber = new ExportRig({ protocol, templateRefreshMessages: 3 });
      for (let i = 0; i < 10; i++) {
        byNumber.record(4, plain);
        byNumber.exporter.flush();
      }
      t.equal(byNumber.exporter.templatesSent, 1 + 3);
    },
  );

  t.test(`${protocol}: TCP flags in one octet for collectors that expect it`, async (t) => {
    const rig = new ExportRig({ protocol, tcpControlBitsOctets: 1 });
    rig.record(4, { ...plain, tcpControlBits: 0x1c2 });
    rig.exporter.flush();
    t.equal(value(rig.records[0], 'tcpControlBits'), 0xc2);
  });
}

/** Data Records in an IPFIX message of the rig, by the lengths of its Sets. */
function id4(dataSets: Map<number, number>, message: Uint8Array): number {
  let records = 0;
  // standard templates: 60 octets for IPv4, 84 for IPv6; the options rows: 4 + 1 + 4 (eth0), 52, 52.
  for (const length of dataSets.values()) {
    const payload = length - 4;
    if (payload % 60 === 0) records += payload / 60;
    else if (payload % 84 === 0) records += payload / 84;
    else if (payload === 9 || payload === 52) records += 1;
    else throw new Error(`unexpected Set of ${length} octets in a message of ${message.length}`);
  }
  return records;
}

t.test('v9: Count is the records of all kinds', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow9' });
  t.equal(
    u16(rig.datagrams[0]!, 2),
    2 + 3 + 3,
    'two templates, three options templates, three options records',
  );
  rig.record(4, plain);
  rig.record(6, plain);
  rig.record(4, plain);
  rig.exporter.flush();
  t.equal(u16(rig.datagrams.at(-1)!, 2), 3);
});

t.test('v9: records too far apart for one datagram leave no empty FlowSet behind', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow9', bootMilliseconds: 0 });
  const old = rig.clock - 60 * 86_400_000;
  rig.record(4, { ...plain, flowStartMilliseconds: old, flowEndMilliseconds: old });
  rig.record(6, plain);
  rig.exporter.flush();
  t.same(
    rig.datagrams.slice(-2).map((d) => sets(d, 20).map(([, length]) => length > 4)),
    [[true], [true]],
  );
});

t.test('the sequence wraps at 2^32', async (t) => {
  for (const protocol of ['netflow5', 'netflow9', 'ipfix'] as const) {
    const rig = new ExportRig({ protocol });
    rig.held = [];
    rig.record(4, plain);
    rig.record(4, plain);
    rig.exporter.flush();
    const message = rig.held[0]!;
    const at = { netflow5: 16, netflow9: 12, ipfix: 8 }[protocol];
    // As if so many had left before: a message that counts 2^32 − 2 of them, less those of the session's start.
    const before = u32Of(rig, at);
    const step = protocol === 'netflow9' ? 1 : 2;
    let sequence = before;
    if (protocol !== 'netflow9') {
      message.sequenced = 2 ** 32 - 2 - before;
      rig.exporter.stamp(message);
      sequence = 2 ** 32 - 2;
      message.sequenced = 2;
    }
    const stamped: number[] = [];
    for (let i = 0; i < 3; i++) {
      rig.exporter.stamp(message);
      stamped.push(u32(message.bytes, at));
    }
    t.same(
      stamped,
      [0, 1, 2].map((i) => (sequence + i * step) % 2 ** 32),
      protocol,
    );
  }
});

/** The sequence number that the next message of a session gets. */
function u32Of(rig: ExportRig, at: number): number {
  const probe = {
    bytes: new Uint8Array(64),
    messages: 1,
    flowRecords: 0,
    packets: 0,
    octets: 0,
    sequenced: 0,
  };
  rig.exporter.stamp(probe);
  const next = u32(probe.bytes, at);
  return at === 12 ? next + 1 : next;
}

t.test('statistics at the end come without templates', async (t) => {
  for (const protocol of ['netflow9', 'ipfix'] as const) {
    const rig = new ExportRig({ protocol });
    rig.exporter.sendStatistics();
    t.equal(rig.exporter.templatesSent, 1, 'those of the session alone');
    t.ok(sets(rig.datagrams.at(-1)!, protocol === 'ipfix' ? 16 : 20).every(([id]) => id > 255));
    t.equal(rig.options.length, 6);
  }
});

t.test(
  'Options Templates: one scope field, of the right kind (RFC 7011 §3.4.2.2, RFC 3954 §6.1)',
  async (t) => {
    const ipfix = new ExportRig({ protocol: 'ipfix' }).datagrams[0]!;
    const at = 16 + sets(ipfix, 16)[0]![1] + 4;
    t.equal(u16(ipfix, at + 4), 1, 'Scope Field Count');
    t.ok(u16(ipfix, at + 2) > 1, 'and at least one field beyond the scope');
    t.equal(u16(ipfix, at + 6), 10, 'ingressInterface comes first');
    const v9 = new ExportRig({ protocol: 'netflow9' }).datagrams[0]!;
    const v9At = 20 + sets(v9, 20)[0]![1] + 4;
    t.same(
      [u16(v9, v9At + 2), u16(v9, v9At + 4), u16(v9, v9At + 6)],
      [4, 4, 2],
      'scope octets, option octets, Interface',
    );
  },
);

t.test('v9: padding is zeros', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow9', tcpControlBitsOctets: 1 });
  rig.record(4, { ...plain, flowEndReason: 255, vlanId: 0xffff });
  rig.exporter.flush();
  const datagram = rig.datagrams.at(-1)!;
  t.equal(datagram.length, 20 + 4 + 67 + 1);
  t.equal(datagram.at(-1), 0);
});

t.test('interface names: UTF-8, and both forms of the length (RFC 7011 §7)', async (t) => {
  for (const name of ['eth0', 'brücke0', 'x'.repeat(254), 'x'.repeat(255)]) {
    const observed = () => ({ interfaces: [{ index: 3, name }], metering: METERING });
    const rig = new ExportRig({ observed });
    t.equal(value(rig.options[0], 'interfaceName'), name);
  }
});

t.test('live, boot is one instant in every datagram', async (t) => {
  for (const protocol of ['netflow5', 'netflow9'] as const) {
    const rig = new ExportRig({ protocol });
    for (let i = 0; i < 3; i++) {
      rig.clock += 1234;
      rig.record(4, plain);
      rig.exporter.flush();
    }
    const boots = rig.datagrams.map(
      (d) => u32(d, 8) * 1000 + (protocol === 'netflow5' ? u32(d, 12) / 1e6 : 0) - u32(d, 4),
    );
    t.equal(new Set(boots.slice(-3)).size, 1, `${protocol}: ${boots}`);
  }
});

t.test('a message that is not full leaves within 100 ms of its first record', async (t) => {
  const rig = new ExportRig();
  const sent = rig.datagrams.length;
  rig.exporter.tick(0);
  rig.record(4, plain);
  let left = -1;
  for (let now = 25; now <= 200 && left < 0; now += 25) {
    rig.exporter.tick(now);
    if (rig.datagrams.length > sent) left = now;
  }
  t.ok(left > 0 && left <= 100, `it left after ${left} ms`);
});

t.test('templates asked for while a message is being built disturb it in nothing', async (t) => {
  const rig = new ExportRig({ protocol: 'netflow9' });
  rig.record(4, { ...plain, ingressInterface: 1 });
  rig.exporter.refresh();
  rig.record(6, { ...plain, ingressInterface: 2 });
  rig.exporter.flush();
  t.same(
    rig.records.map((r) => value(r, 'ingressInterface')),
    [1, 2],
  );
});

t.test('every record is sent, queued or not sent for a reason, in records, packets and octets', async (t) => {
  const rig = new ExportRig();
  rig.held = [];
  const { exporter } = rig;
  for (let i = 1; i <= 500; i++)
    rig.record(i % 3 === 0 ? 6 : 4, { packetDeltaCount: i, octetDeltaCount: 40 * i });
  const holds = () => {
    const { accepted, sent, queued } = exporter;
    const waiting = rig.held!.reduce((sum, m) => sum + m.octets, 0);
    const lost = [...exporter.notSent.values()].reduce((sum, c) => sum + c.octets, 0);
    t.equal(accepted.octets, sent.octets + queued.octets + lost);
    return { waiting, queued: queued.octets };
  };
  t.ok(
    holds().queued >= holds().waiting,
    'queued: what waits in the transport and what is in the open message',
  );
  exporter.flush();
  t.equal(holds().queued, holds().waiting, 'after a flush the open message is empty');
  const reasons = ['queue_full', 'refused', undefined, undefined] as const;
  for (const [i, message] of rig.held.splice(0).entries()) {
    const reason = reasons[i % 4];
    if (reason === undefined) rig.leave(message);
    else exporter.settled(message, reason);
    holds();
  }
  t.equal(exporter.queued.records, 0);
  t.ok(exporter.notSent.get('refused')!.records > 0);
});

for (const protocol of ['ipfix', 'netflow9', 'netflow5'] as const) {
  t.test(
    `${protocol}: Messages are as small as the path asks, from then on, and no larger than they were`,
    async (t) => {
      const rig = new ExportRig({ protocol, fields: 'full' });
      const send = (count: number): Uint8Array[] => {
        const before = rig.datagrams.length;
        for (let i = 0; i < count; i++) rig.record(protocol !== 'netflow5' && i % 2 === 0 ? 6 : 4, plain);
        return rig.datagrams.slice(before);
      };
      t.ok(send(100).every(({ length }) => length > 1200 && length <= 1472));
      const open = rig.records.length;
      // In the middle of a Message: that one is finished with what it holds.
      rig.exporter.limitMessages(484);
      const [begunBefore, ...others] = send(100);
      t.ok(begunBefore!.length > 484 || rig.records.length > open);
      t.ok(others.length > 10 && others.every(({ length }) => length > 300 && length <= 484));
      const before = rig.datagrams.length;
      rig.newSession();
      t.ok(
        rig.datagrams.slice(before).every(({ length }) => length <= 484),
        'templates, too',
      );
      rig.exporter.flush();
      rig.exporter.limitMessages(9000);
      t.ok(
        send(100).every(({ length }) => length > 1200 && length <= 1472),
        'back to what it was made for',
      );
      rig.exporter.flush();
      t.equal(rig.records.length, 300);
      t.equal(rig.exporter.sent.records, 300);
    },
  );
}
