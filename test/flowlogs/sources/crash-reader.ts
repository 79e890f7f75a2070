/**
 * A process that is made to be killed (crash.test.ts): reads all of a prefix with a checkpoint, and writes down what
 * it has exported before it says so to the source, as the converter does.
 *
 *   node crash-reader.js ENDPOINT URL CHECKPOINT EXPORTED
 */
import { appendFileSync } from 'node:fs';
import { AwsClients } from '../../../src/aws/clients.ts';
import { S3Source } from '../../../src/flowlogs/sources/s3.ts';
import { readObject } from './read-all.ts';

const [endpoint, url, checkpoint, exported] = process.argv.slice(2) as [string, string, string, string];
const clients = new AwsClients({ endpoint, region: 'eu-west-1' });
const source = new S3Source({ url, clients, checkpoint, clock: Date.now });
process.stdout.write('begun\n');
for await (const object of source.objects(new AbortController().signal)) {
  const { error, name } = await readObject(object);
  if (error !== undefined) throw error;
  appendFileSync(exported, `${name}\n`);
  process.stdout.write('exported\n');
  await source.exported(object);
}
await clients.close();
