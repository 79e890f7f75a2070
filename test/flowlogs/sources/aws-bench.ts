/** moto_server, a fault proxy in front of it, and buckets and keys made by hand: what the tests of S3 and SQS share. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { AwsClients } from '../../../src/aws/clients.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { type Moto, startMoto } from '../../support/moto.ts';

export interface AwsBench {
  readonly moto: Moto;
  readonly proxy: FaultProxy;
  /** Past the proxy, for what the test itself does. */
  readonly direct: AwsClients;
  /** Through the proxy; each is closed at the end of the file. */
  clients(options?: { readonly maxAttempts?: number; readonly region?: string }): AwsClients;
  createBucket(name: string): Promise<void>;
  put(bucket: string, key: string, body: string | Uint8Array): Promise<void>;
  remove(bucket: string, key: string): Promise<void>;
  /** Of the whole bucket, sorted. */
  keys(bucket: string): Promise<string[]>;
}

/** Started once a file of tests, and ended with it. */
export async function startAwsBench(): Promise<AwsBench> {
  const moto = await startMoto();
  const proxy = await startFaultProxy(moto.endpoint);
  const direct = new AwsClients({ endpoint: moto.endpoint, region: 'eu-west-1' });
  const made = [direct];
  t.teardown(async () => {
    for (const clients of made) await clients.close();
    await proxy.stop();
    await moto.stop();
  });
  return {
    moto,
    proxy,
    direct,
    clients: (options = {}) => {
      const clients = new AwsClients({ endpoint: proxy.endpoint, region: 'eu-west-1', ...options });
      made.push(clients);
      return clients;
    },
    createBucket: async (Bucket) => {
      const { sdk, client } = await direct.s3();
      await client.send(
        new sdk.CreateBucketCommand({
          Bucket,
          CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
        }),
      );
    },
    put: async (Bucket, Key, body) => {
      const { sdk, client } = await direct.s3();
      await client.send(
        new sdk.PutObjectCommand({
          Bucket,
          Key,
          Body: Buffer.from(body),
          ContentLength: Buffer.byteLength(body),
        }),
      );
    },
    remove: async (Bucket, Key) => {
      const { sdk, client } = await direct.s3();
      await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }));
    },
    keys: async (Bucket) => {
      const { sdk, client } = await direct.s3();
      const { Contents } = await client.send(new sdk.ListObjectsV2Command({ Bucket }));
      return (Contents ?? []).map(({ Key }) => Key!).sort();
    },
  };
}

export const ACCOUNT = '123456789012';
const TWO = (value: number): string => String(value).padStart(2, '0');

export interface KeyOptions {
  readonly account?: string;
  readonly region?: string;
  readonly flowLog?: string;
  readonly layout?: 'classic' | 'hive';
  readonly hourly?: boolean;
  readonly prefix?: string;
  readonly suffix?: string;
}

/** A key as AWS makes it. @param time ISO 8601, to the minute */
export function keyOf(time: string, options: KeyOptions = {}): string {
  const {
    account = ACCOUNT,
    region = 'eu-west-1',
    flowLog = 'fl-1',
    prefix = '',
    suffix = '.log.gz',
  } = options;
  const at = new Date(`${time}Z`);
  const [year, month, day, hour] = [
    String(at.getUTCFullYear()),
    TWO(at.getUTCMonth() + 1),
    TWO(at.getUTCDate()),
    TWO(at.getUTCHours()),
  ];
  const name = `${account}_vpcflowlogs_${region}_${flowLog}_${year}${month}${day}T${hour}${TWO(at.getUTCMinutes())}Z_0a1b${suffix}`;
  const folder =
    options.layout === 'hive'
      ? `aws-account-id=${account}/aws-service=vpcflowlogs/aws-region=${region}/year=${year}/month=${month}/day=${day}/` +
        (options.hourly === true ? `hour=${hour}/` : '')
      : `${account}/vpcflowlogs/${region}/${year}/${month}/${day}/${options.hourly === true ? `${hour}/` : ''}`;
  return `${prefix}AWSLogs/${folder}${name}`;
}

export const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n';

/** A flow log of one line, which holds `mark` as its count of packets. */
export function logOf(mark: number): Buffer {
  return gzipSync(
    `${HEADER}2 ${ACCOUNT} eni-1 10.0.0.1 10.0.0.2 1 2 6 ${mark} 40 1700000000 1700000060 ACCEPT OK\n`,
  );
}
