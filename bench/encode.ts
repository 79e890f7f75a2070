/** `encode`: Flow Records into Messages, without metering and without a socket. For orientation: nothing is demanded. */
import { fileURLToPath } from 'node:url';
import type { Surroundings } from './read.ts';
import { figure, type Section, spreadText } from './report.ts';
import { spread } from './statistics.ts';
import { run } from './trial.ts';

const RECORDS = 5_000_000;

export async function benchEncode({ runs, say }: Surroundings): Promise<Section[]> {
  const program = fileURLToPath(new URL('encode-trial.js', import.meta.url));
  const contestants = [
    ['netflow5', 'standard'],
    ['netflow9', 'standard'],
    ['ipfix', 'standard'],
    ['ipfix', 'full'],
  ] as const;
  const rates = contestants.map((): number[] => []);
  const sizes = contestants.map(() => 0);
  const faults: string[] = [];
  for (let round = 1; round <= runs; round++) {
    for (const [n, [protocol, fields]] of contestants.entries()) {
      const output = await run([process.execPath, program, protocol, fields, String(RECORDS)]);
      const { records, octets, seconds } = JSON.parse(output) as Record<
        'records' | 'octets' | 'seconds',
        number
      >;
      if (records !== RECORDS) faults.push(`${protocol} ${fields}: ${records} records instead of ${RECORDS}`);
      rates[n]!.push(records / 1e6 / seconds);
      sizes[n] = octets / records;
      say(
        `encode, round ${round} of ${runs}: ${protocol} ${fields} ${figure(records / 1e6 / seconds)} million/s`,
      );
    }
  }
  return [
    {
      title: 'encode: Flow Records of IPv4 into Messages of 1472 octets, one core',
      notes: [`${RECORDS} records a trial, the compiler's warming up included.`],
      columns: ['', 'million records/s', 'octets a record'],
      rows: contestants.map(([protocol, fields], n) => [
        `${protocol}, ${fields}`,
        spreadText(spread(rates[n]!)),
        sizes[n]!.toFixed(1),
      ]),
      verdicts: [],
      skipped: [],
      faults,
    },
  ];
}
