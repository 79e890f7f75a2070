/**
 * `weir convert s3://… --checkpoint`, the whole program, killed (SIGKILL) at random points: a collector gets every object,
 * and after each start at most the one again that was being exported.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { AwsClients } from '../../src/aws/clients.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { fieldValue } from '../../src/collect/record.ts';
import { MOTO_ENVIRONMENT, noMoto, startMoto } from '../support/moto.ts';

const MAIN = resolve(import.meta.dirname, '../../bundle/weir/main.js');
const { PATH } = process.env;
const OBJECTS = 30;
const RECORDS = 400;
const CRASHES = 6;
const HEADER = 'srcaddr dstaddr srcport packets bytes start end action log-status';

/** Records of an object: the source port says which it is, the octets which record of it. */
const objectOf = (object: number) =>
  gzipSync(
    [
      HEADER,
      ...Array.from(
        { length: RECORDS },
        (_, i) => `10.0.0.1 10.0.0.2 ${object} 1 ${i + 1} 1780000000 1780000060 ACCEPT OK`,
      ),
      '',
    ].join('\n'),
  );

/** What came over one connection, which is one start of the program: (object, record) in their order. */
interface Heard {
  readonly objects: number[];
  readonly records: number[];
  isEnded: boolean;
}

t.test('a conversion that is killed again and again', { skip: noMoto, timeout: 120_000 }, async (t) => {
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  const clients = new AwsClients({ endpoint: moto.endpoint });
  t.teardown(() => clients.close());
  const { sdk, client } = await clients.s3();
  const Bucket = 'flow-logs';
  const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const;
  await client.send(new sdk.CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
  for (let i = 0; i < OBJECTS; i++) {
    // Over two hours: the look-back window moves on.
    const time = new Date(Date.UTC(2026, 0, 1, 22, 4 * i)).toISOString();
    const [year, month, day] = time.slice(0, 10).split('-');
    const name = `123456789012_vpcflowlogs_eu-west-1_fl-0_${year}${month}${day}T${time.slice(11, 13)}${time.slice(14, 16)}Z_a.log.gz`;
    const Key = `AWSLogs/123456789012/vpcflowlogs/eu-west-1/${year}/${month}/${day}/${name}`;
    await client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: objectOf(i) }));
  }

  const heard: Heard[] = [];
  /** Wakes when something came, or a connection ended. */
  let changed = (): void => {};
  const server = createServer((socket: Socket) => {
    const mine: Heard = { objects: [], records: [], isEnded: false };
    heard.push(mine);
    const decoder = new MessageDecoder();
    const from = { address: '127.0.0.1', port: socket.remotePort!, transport: 'tcp' } as const;
    let octets = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      octets = Buffer.concat([octets, chunk]);
      while (octets.length >= 4 && octets.length >= octets.readUInt16BE(2)) {
        const message = octets.subarray(0, octets.readUInt16BE(2));
        octets = octets.subarray(message.length);
        decoder.decode(message, from, {
          record: (record) => {
            mine.objects.push(Number(fieldValue(record, 'sourceTransportPort')));
            mine.records.push(Number(fieldValue(record, 'octetDeltaCount')));
          },
          options: () => undefined,
        });
      }
      changed();
    });
    socket.on('error', () => undefined); // it was killed
    socket.on('close', () => {
      mine.isEnded = true;
      changed();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const checkpoint = join(t.testdir(), 'checkpoint');

  /** @param killAfter records, and then so many ms more @returns how it ended, and what came of it */
  const run = async (killAfter: number, delayMilliseconds: number) => {
    const starts = heard.length;
    // Paced, so that it never comes to its end before it is killed, however busy the machine is.
    const args = [
      'convert',
      `s3://${Bucket}`,
      '--checkpoint',
      checkpoint,
      '--endpoint',
      moto.endpoint,
      '--rate',
      '4000',
    ];
    const child = spawn(process.execPath, [MAIN, ...args, '-c', `ipfix+tcp://127.0.0.1:${port}`], {
      env: { PATH, ...MOTO_ENVIRONMENT },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 60_000,
    });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text;
    });
    const gone = once(child, 'close');
    let kill: Promise<void> | undefined;
    changed = () => {
      if (kill !== undefined || (heard[starts]?.objects.length ?? 0) < killAfter) return;
      kill = sleep(delayMilliseconds).then(() => void child.kill('SIGKILL'));
    };
    const [code, signal] = (await gone) as [number | null, NodeJS.Signals | null];
    await kill;
    // What the kernel had taken still comes.
    while (heard[starts]?.isEnded === false) {
      await new Promise<void>((done) => {
        changed = done;
      });
    }
    return { code, signal, log, mine: heard[starts] };
  };

  /** Objects all of whose records came within one start. */
  const whole = new Set<number>();
  let repeated = 0;
  const judge = ({ objects, records }: Heard, where: string): void => {
    const inOrder = [...new Set(objects)];
    t.same(
      objects,
      [...objects].sort((a, b) => a - b),
      `objects come one after the other; ${where}`,
    );
    const again = inOrder.filter((object) => whole.has(object));
    t.ok(again.length <= 1, `at most one is repeated, not ${again}; ${where}`);
    if (again.length > 0) {
      repeated++;
      t.equal(again[0], Math.max(...whole), `and that is the last; ${where}`);
    }
    for (const object of inOrder) {
      const own = records.filter((_, i) => objects[i] === object);
      t.same(
        own,
        Array.from({ length: own.length }, (_, i) => i + 1),
        'no record is lost or doubled within it',
      );
      if (own.length === RECORDS) whole.add(object);
    }
  };

  let crashes = 0;
  while (crashes < CRASHES) {
    const killAfter = 1 + Math.floor(Math.random() * 5 * RECORDS);
    const delay = Math.random() * 10;
    const { signal, mine } = await run(killAfter, delay);
    if (mine !== undefined) judge(mine, `killed ${delay.toFixed(1)} ms after ${killAfter} records`);
    if (signal === null) break;
    crashes++;
  }
  t.ok(crashes >= 3, `${crashes} crashes`);
  const { code, log, mine } = await run(Number.POSITIVE_INFINITY, 0);
  t.equal(code, 0, log);
  if (mine !== undefined) judge(mine, 'the last start');
  t.equal(whole.size, OBJECTS, 'every object is there as a whole');
  t.ok(repeated <= crashes + 1, `${repeated} repeats of ${crashes} crashes`);
});
