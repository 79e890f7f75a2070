/** `weir convert s3://…` over moto_server: keys of every kind, in order, each object once. */

import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import { asGzip, asParquet, asText } from '../flowlogs/support/carry.ts';
import { generateLog } from '../flowlogs/support/generate.ts';
import { convertNaively, hexOfAddress } from '../flowlogs/support/naive-converter.ts';
import { noMoto, startMoto } from '../support/moto.ts';
import { weir } from './weir.ts';

const BUCKET = 'flow-logs';
const FOLDER = 'AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/01';

/** Keys in the order in which they are to be converted. */
const KEYS = [
  `${FOLDER}/123456789012_vpcflowlogs_eu-west-1_fl-1_20260101T0000Z_00000001.log.gz`,
  `${FOLDER}/123456789012_vpcflowlogs_eu-west-1_fl-1_20260101T0005Z_00000002.log.gz`,
  `${FOLDER}/123456789012_vpcflowlogs_eu-west-1_fl-1_20260101T0010Z_00000003.log.parquet`,
];
const ODD = ['a prefix with spaces/', 'plus+and%20percent/', 'é&ü=?#/'];

t.test('keys with spaces, plus signs and others', { skip: noMoto, timeout: 60_000 }, async (t) => {
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  const client = new S3Client({ endpoint: moto.endpoint, region: 'us-east-1', forcePathStyle: true });
  t.teardown(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const logs = [...ODD, ...ODD.map((odd) => `deeper/${odd}`)].flatMap((prefix, i) =>
    KEYS.map((key, k) => ({
      key: `${prefix}${key}`,
      prefix,
      log: generateLog({ seed: 80 + 10 * i + k, lines: 50, version: 3 + k }),
    })),
  );
  for (const { key, log } of logs) {
    const octets = key.endsWith('.parquet') ? asParquet(log) : asGzip(asText(log), 2);
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: octets }));
  }
  const options = ['--json', '--endpoint', moto.endpoint, '--region', 'us-east-1'];
  for (const prefix of ['', ...ODD]) {
    const {
      code,
      records,
      stderr,
      log: said,
    } = await weir('convert', `s3://${BUCKET}/${prefix}`, ...options);
    t.equal(code, 0, `${prefix}: weir convert ends well`, { stderr });
    const expected = logs.filter(({ key }) => key.startsWith(prefix));
    const naive = expected.map(({ log }) => convertNaively(log.fields, log.lines));
    const sources = naive
      .flatMap(({ records }) => records)
      .map(({ source, octets }) => `${source} ${octets}`);
    const seen = records.map(
      ({ sourceIPv4Address, sourceIPv6Address, octetDeltaCount }) =>
        `${hexOfAddress(sourceIPv4Address ?? sourceIPv6Address ?? '')} ${octetDeltaCount}`,
    );
    t.same([...seen].sort(), [...sources].sort(), `${prefix}: every record once`);
    t.match(
      said.find((line) => 'nodata' in line),
      { objects: expected.length },
      `${prefix}: every object`,
    );
    // Below a prefix that is one log's, the oldest comes first.
    if (prefix !== '') t.same(seen, sources, `${prefix}: in order`);
  }
});
