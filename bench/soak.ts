/**
 * `soak`: a million flows coming and going at the forwarding limit, for many minutes: does the memory stay, and is
 * every packet in a record?
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { labProblem } from '../src/cli/demo/lab.ts';
import { capturing, DISCARD_PORT, floodLab, forwardedDatagrams, type Metering, SINK } from './flooded.ts';
import { compiled, WEIR } from './programs.ts';
import type { Surroundings } from './read.ts';
import { figure, type Section } from './report.ts';
import { spread } from './statistics.ts';
import { ended, Receiver } from './trial.ts';

const FLOWS = 1_000_000;
/** Every so many packets one flow ends and another begins: at a million packets a second 50 000 a second. */
const CHURN = 20;
const FIRST_SOURCE = '11.0.0.1';
const SAMPLE_SECONDS = 10;
/** When memory has to have found its level. */
const SETTLED_SECONDS = 120;

const weir: Metering = {
  name: 'weir',
  sockets: 2,
  command: (port) => [
    ...WEIR,
    'run',
    ...['-i', 'to-client', '-i', 'to-server', '-c', `ipfix://127.0.0.1:${port}?rate=0`, '--metrics', 'off'],
    // What is over leaves soon: the table holds the living and two seconds' worth of the dead.
    ...['--active-timeout', '5', '--idle-timeout', '2', '--max-flows', '1400000'],
  ],
  stop: async (_lab, child) => {
    child.kill('SIGTERM');
  },
};

interface Sample {
  readonly seconds: number;
  readonly residentMegabytes: number;
  readonly forwardedRate: number;
}

function residentMegabytes(processId: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8'))!;
  return (Number(kilobytes) * 1024) / 1e6;
}

export async function benchSoak({
  say,
  minutes,
}: Surroundings & { readonly minutes: number }): Promise<Section[]> {
  const title = `soak: ${FLOWS} flows coming and going for ${minutes} minutes`;
  const problem = labProblem();
  if (problem !== undefined) {
    const empty = { notes: [], columns: [], rows: [], verdicts: [], faults: [] };
    return [{ title, ...empty, skipped: [`the whole part: ${problem}`] }];
  }
  const lab = await floodLab('weir-soak');
  const samples: Sample[] = [];
  try {
    // The sources are no one's: the router must not look for the way back.
    await lab.router.run([
      'sysctl',
      '-q',
      '-w',
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.to-client.rp_filter=0',
    ]);
    const mac = (await lab.router.run(['cat', '/sys/class/net/to-client/address'])).trim();
    const receiver = await Receiver.start((argv) => lab.router.spawn(argv), DISCARD_PORT);
    const child = lab.router.spawn(weir.command(receiver.port));
    let log = '';
    child.stdout.resume();
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      log = (log + part).slice(-4000);
    });
    await capturing(lab, weir, child, () => log);

    const seconds = minutes * 60;
    const before = await forwardedDatagrams(lab);
    let isOver = false;
    const flooding = lab.client
      .run([
        compiled('flood'),
        ...['eth0', mac, FIRST_SOURCE, SINK, String(FLOWS), String(seconds), String(CHURN)],
      ])
      .finally(() => {
        isOver = true;
      });
    const from = performance.now();
    for (let last = before, at = from; !isOver; ) {
      await Promise.race([delay(SAMPLE_SECONDS * 1000), flooding.catch(() => undefined)]);
      if (child.exitCode !== null) throw new Error(`weir ended during the soak: ${log}`);
      const [forwarded, now] = [await forwardedDatagrams(lab), performance.now()];
      if (isOver) break;
      samples.push({
        seconds: (now - from) / 1000,
        residentMegabytes: residentMegabytes(child.pid!),
        forwardedRate: ((forwarded - last) * 1000) / (now - at),
      });
      const { residentMegabytes: resident, forwardedRate } = samples.at(-1)!;
      say(
        `soak, ${figure((now - from) / 60_000)} min: ${Math.round(resident)} MB, ${Math.round(forwardedRate)} packets/s`,
      );
      [last, at] = [forwarded, now];
    }
    const { flows } = JSON.parse(await flooding) as { flows: number };
    const forwarded = (await forwardedDatagrams(lab)) - before;
    child.kill('SIGTERM');
    await ended(child, 30);
    const received = await receiver.stop();

    const settled = samples.find((sample) => sample.seconds >= SETTLED_SECONDS)!;
    const last = samples.at(-1)!;
    const everyMinute = samples.filter((sample, i) => {
      const minute = Math.floor(sample.seconds / 60);
      return minute > 0 && Math.floor((samples[i - 1]?.seconds ?? 0) / 60) < minute;
    });
    return [
      {
        title,
        notes: [
          `64-octet packets as fast as the machine forwards them; one flow ends and one begins every ${CHURN} packets:`,
          `${flows} flows in all. Resident memory of the whole process, ring buffers included.`,
        ],
        columns: ['minute', 'resident MB', 'forwarded packets/s'],
        rows: [...everyMinute, last].map((sample) => [
          figure(sample.seconds / 60),
          figure(sample.residentMegabytes),
          String(Math.round(sample.forwardedRate)),
        ]),
        verdicts: [
          {
            what: 'resident memory at the end / after the second minute',
            value: spread([last.residentMegabytes / settled.residentMegabytes]),
            demand: { relation: '<=', value: 1.05 },
          },
          {
            what: `lost of ${forwarded} forwarded packets`,
            value: spread([forwarded - received.packets]),
            unit: 'packets',
            demand: { relation: '<=', value: 0 },
          },
        ],
        skipped: [],
        faults:
          received.packets > forwarded
            ? [`weir: ${received.packets} packets in records, ${forwarded} were forwarded`]
            : [],
      },
    ];
  } finally {
    await lab.close();
  }
}
