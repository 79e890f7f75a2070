import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AwsClients } from '../../../src/aws/clients.ts';
import type { LogObject } from '../../../src/flowlogs/log-object.ts';
import {
  CloudWatchSource,
  type FilterLogEvents,
  filterLogEventsOf,
  type LogEvent,
} from '../../../src/flowlogs/sources/cloudwatch.ts';
import { RecordsNotSentError } from '../../../src/flowlogs/sources/source-error.ts';
import { noMoto, startMoto } from '../../support/moto.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 26, 12);

/** A log group in memory, whose pages have so many events; as AWS, sorted by time. */
function group(events: LogEvent[], pageEvents = 2) {
  const requests: Parameters<FilterLogEvents>[0][] = [];
  const filterLogEvents: FilterLogEvents = async (one) => {
    requests.push(one);
    const { startTime = 0, endTime = Number.POSITIVE_INFINITY, nextToken = '0' } = one;
    const found = events
      .filter(({ timestamp }) => timestamp >= startTime && timestamp <= endTime)
      .sort((a, b) => a.timestamp - b.timestamp);
    const end = Number(nextToken) + pageEvents;
    return {
      events: found.slice(Number(nextToken), end),
      nextToken: end < found.length ? String(end) : undefined,
    };
  };
  return { filterLogEvents, requests };
}

const event = (eventId: string, timestamp: number): LogEvent => ({
  eventId,
  timestamp,
  message: `line ${eventId}`,
});

function sourceOf(
  filterLogEvents: FilterLogEvents,
  more: Partial<ConstructorParameters<typeof CloudWatchSource>[0]> = {},
): CloudWatchSource {
  return new CloudWatchSource({
    logGroup: '/aws/vpc',
    filterLogEvents,
    format: undefined,
    sinceMilliseconds: undefined,
    untilMilliseconds: undefined,
    follow: false,
    checkpoint: undefined,
    pollMilliseconds: 1,
    unix: () => NOW,
    ...more,
  });
}

async function textOf({ content }: LogObject): Promise<string> {
  if (content.kind !== 'text') throw new Error('text was expected');
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Converts all there is. @returns the lines, an array an object */
async function convertAll(source: CloudWatchSource, most = Number.POSITIVE_INFINITY): Promise<string[][]> {
  const objects: string[][] = [];
  const signal = new AbortController().signal;
  for await (const object of source.objects(signal)) {
    objects.push((await textOf(object)).split('\n').slice(0, -1));
    if (objects.length > most) break; // it has left, and nobody has noted that: a crash
    await source.exported(object);
  }
  return objects;
}

t.test('a page is an object without a header, in the order of time', async (t) => {
  const { filterLogEvents, requests } = group(
    [1, 2, 3, 4, 5].map((n) => event(`${n}`, NOW - 10 * MINUTE + n)),
  );
  const source = sourceOf(filterLogEvents, {
    sinceMilliseconds: NOW - 10 * MINUTE + 2,
    untilMilliseconds: NOW - 10 * MINUTE + 5,
  });
  const objects: LogObject[] = [];
  for await (const object of source.objects(new AbortController().signal)) {
    objects.push(object);
    await source.exported(object);
  }
  t.equal(await textOf(objects[0]!), 'line 2\nline 3\n');
  t.equal(await textOf(objects[1]!), 'line 4\n', '--until is not included');
  t.equal(objects.length, 2);
  t.match(objects[0], {
    name: 'cloudwatch:///aws/vpc from 2026-11-26T11:50:00.002Z',
    storedOctets: 14,
    content: { kind: 'text', header: 'none' },
  });
  t.same(source.found, { objects: 2, storedOctets: 21 });
  t.same(requests[0], {
    startTime: NOW - 10 * MINUTE + 2,
    endTime: NOW - 10 * MINUTE + 4,
    nextToken: undefined,
  });
});

t.test('followed: late events are converted, and none twice', async (t) => {
  const events = [event('a', NOW - 9 * MINUTE), event('b', NOW - 5 * MINUTE)];
  const { filterLogEvents } = group(events);
  const lines: string[] = [];
  const stop = new AbortController();
  const source = sourceOf(filterLogEvents, { follow: true });
  for await (const object of source.objects(stop.signal)) {
    lines.push(...(await textOf(object)).trim().split('\n'));
    await source.exported(object);
    // Both are older than what has been converted; the first also than half an hour before it.
    if (lines.length === 2) events.push(event('too late', NOW - 36 * MINUTE), event('c', NOW - 34 * MINUTE));
    if (lines.length === 3) events.push(event('d', NOW - 5 * MINUTE), event('future', NOW + 90 * MINUTE));
    if (lines.length === 5) events.push(event('e', NOW - 29 * MINUTE));
    if (lines.length === 6) stop.abort();
  }
  t.same(lines, ['line a', 'line b', 'line c', 'line d', 'line future', 'line e']);
});

t.test('a checkpoint: a crash repeats the page that was being exported, and no other', async (t) => {
  const events = Array.from({ length: 9 }, (_, n) => event(`${n}`, NOW - 20 * MINUTE + n));
  const { filterLogEvents } = group(events);
  const checkpoint = join(t.testdir(), 'checkpoint');
  const first = await convertAll(sourceOf(filterLogEvents, { checkpoint }), 2);
  t.equal(first.length, 3, 'the third page left, and was not noted');
  const second = await convertAll(sourceOf(filterLogEvents, { checkpoint }));
  t.same(
    [...first.slice(0, 2), ...second].flat().sort(),
    events.map(({ message }) => message),
  );
  t.same(second.flat().slice(0, 2), first[2], 'it is repeated');
  events.push(event('late', NOW - 21 * MINUTE));
  t.same(await convertAll(sourceOf(filterLogEvents, { checkpoint })), [['line late']]);
  t.same(await convertAll(sourceOf(filterLogEvents, { checkpoint })), []);

  const text = readFileSync(checkpoint, 'utf8');
  writeFileSync(checkpoint, text.replace('/aws/vpc', '/aws/other'));
  await t.rejects(
    convertAll(sourceOf(filterLogEvents, { checkpoint })),
    /it is of cloudwatch:\/\/\/aws\/other/,
  );
  writeFileSync(checkpoint, text.slice(0, 40));
  await t.rejects(convertAll(sourceOf(filterLogEvents, { checkpoint })), /checkpoint/);
});

t.test('what cannot be exported is not marked', async (t) => {
  const { filterLogEvents } = group([event('a', NOW - MINUTE)]);
  const source = sourceOf(filterLogEvents, { follow: true });
  const stop = new AbortController();
  let times = 0;
  for await (const object of source.objects(stop.signal)) {
    if (++times === 1) await source.failed(object, new Error('of the object'));
    else {
      await source.exported(object);
      stop.abort();
    }
  }
  t.equal(times, 2);
});

t.test('with a checkpoint, an object whose records were not sent ends it', async (t) => {
  const { filterLogEvents } = group([event('a', NOW - MINUTE)]);
  const checkpoint = join(t.testdir(), 'checkpoint');
  const source = sourceOf(filterLogEvents, { follow: true, checkpoint });
  const reading = async (): Promise<void> => {
    for await (const object of source.objects(new AbortController().signal)) {
      await source.failed(object, new RecordsNotSentError('3 of its records were not sent'));
    }
  };
  await t.rejects(
    reading(),
    /3 of its records were not sent; it is not in the checkpoint .*checkpoint, and the next start/,
  );
  t.equal((await convertAll(sourceOf(filterLogEvents, { checkpoint }))).length, 1);
});

t.test('an error ends it, unless it was stopped', async (t) => {
  const stop = new AbortController();
  const fails: FilterLogEvents = async () => {
    throw new Error('denied');
  };
  await t.rejects(sourceOf(fails).objects(stop.signal)[Symbol.asyncIterator]().next(), /denied/);
  stop.abort();
  t.same(await sourceOf(fails).objects(stop.signal)[Symbol.asyncIterator]().next(), {
    done: true,
    value: undefined,
  });
});

/** In front of moto: answers so many requests with an error of CloudWatch Logs. */
async function failingProxy(t: Test, target: string, failures: number) {
  const counts = { refused: 0, passed: 0 };
  const server = createServer((incoming, answer) => {
    if (counts.refused < failures) {
      counts.refused++;
      incoming.resume();
      answer.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
      answer.end(JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' }));
      return;
    }
    counts.passed++;
    const { method, url, headers } = incoming;
    const outgoing = request(`${target}${url}`, { method: method!, headers }, (reply: IncomingMessage) => {
      answer.writeHead(reply.statusCode!, reply.headers);
      reply.pipe(answer);
    });
    incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, counts };
}

t.test('with the real client', { skip: noMoto, timeout: 60_000 }, async (t) => {
  const moto = await startMoto();
  t.teardown(() => moto.stop());
  const { endpoint } = moto;
  const clients = new AwsClients({ region: 'eu-west-1', endpoint });
  t.teardown(() => clients.close());
  const { sdk, client } = await clients.cloudWatchLogs();
  const logGroupName = '/aws/vpc/flow-logs';
  await client.send(new sdk.CreateLogGroupCommand({ logGroupName }));
  const now = Date.now();
  const put = async (stream: string, messages: readonly string[], ageMilliseconds: number) => {
    await client.send(
      new sdk.PutLogEventsCommand({
        logGroupName,
        logStreamName: stream,
        logEvents: messages.map((message, n) => ({ message, timestamp: now - ageMilliseconds + n })),
      }),
    );
  };
  for (const logStreamName of ['eni-1-all', 'eni-2-all'])
    await client.send(new sdk.CreateLogStreamCommand({ logGroupName, logStreamName }));
  // More than a page of moto's, which are of 10 000 events.
  const many = Array.from({ length: 12_000 }, (_, n) => `2 123456789010 eni-1 ${n}`);
  for (let at = 0; at < many.length; at += 4000)
    await put('eni-1-all', many.slice(at, at + 4000), 600_000 - at);
  await put('eni-2-all', ['2 123456789010 eni-2 x'], 300_000);

  t.test('every event once, over pages, streams and restarts', async (t) => {
    const checkpoint = join(t.testdir(), 'checkpoint');
    const make = () =>
      sourceOf(filterLogEventsOf(clients, logGroupName), {
        checkpoint,
        unix: Date.now,
        logGroup: logGroupName,
      });
    const objects = await convertAll(make());
    t.ok(objects.length >= 2, `${objects.length} pages`);
    t.same(new Set(objects.flat()), new Set([...many, '2 123456789010 eni-2 x']));
    t.equal(objects.flat().length, many.length + 1);
    await put('eni-1-all', ['late'], 900_000);
    t.same(await convertAll(make()), [['late']]);
  });

  t.test('throttled, and again', async (t) => {
    const proxy = await failingProxy(t, endpoint, 3);
    const throttled = new AwsClients({ region: 'eu-west-1', endpoint: proxy.url });
    t.teardown(() => throttled.close());
    const source = sourceOf(filterLogEventsOf(throttled, logGroupName), { sinceMilliseconds: now - 300_000 });
    t.same(await convertAll(source), [['2 123456789010 eni-2 x']]);
    t.match({ ...proxy.counts, retries: throttled.retries }, { refused: 3, retries: 3 });
  });

  t.test('throttled for ever: what to do is said', async (t) => {
    const proxy = await failingProxy(t, endpoint, 1000);
    const throttled = new AwsClients({ region: 'eu-west-1', endpoint: proxy.url, maxAttempts: 2 });
    t.teardown(() => throttled.close());
    await t.rejects(convertAll(sourceOf(filterLogEventsOf(throttled, logGroupName))), {
      name: 'AwsError',
      kind: 'throttled',
    });
    t.equal(proxy.counts.refused, 2);
  });

  t.test('no such group', async (t) => {
    await t.rejects(convertAll(sourceOf(filterLogEventsOf(clients, 'nobody'))), {
      kind: 'no-such-resource',
      message: /cloudwatch:\/\/nobody/,
    });
  });
});
