/** SQS and S3 by moto_server, with a proxy in front of them. */
import t from 'tap';
import { RecordsNotSentError } from '../../../src/flowlogs/sources/source-error.ts';
import { SqsSource, type SqsSourceOptions } from '../../../src/flowlogs/sources/sqs.ts';
import { parseQueue } from '../../../src/flowlogs/sources/sqs-queue.ts';
import { jsonFault, type SeenRequest, s3Fault } from '../../support/fault-proxy.ts';
import { noMoto } from '../../support/moto.ts';
import { keyOf, logOf, startAwsBench } from './aws-bench.ts';
import { type ReadObject, readAll } from './read-all.ts';

t.test('how a queue is named', async (t) => {
  const url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs';
  const byUrl = { url, name: 'flow-logs', account: '123456789012', region: 'eu-west-1' };
  t.same(parseQueue('sqs://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs'), byUrl);
  t.same(parseQueue(url), byUrl);
  t.same(parseQueue('sqs+http://127.0.0.1:9324/queue/q.fifo'), {
    url: 'http://127.0.0.1:9324/queue/q.fifo',
    name: 'q.fifo',
    account: undefined,
    region: undefined,
  });
  t.same(parseQueue('sqs://flow-logs'), {
    url: undefined,
    name: 'flow-logs',
    account: undefined,
    region: undefined,
  });
  for (const arn of [
    'arn:aws:sqs:us-east-2:123456789012:q',
    'sqs://arn:aws-cn:sqs:us-east-2:123456789012:q',
  ]) {
    t.same(parseQueue(arn), { url: undefined, name: 'q', account: '123456789012', region: 'us-east-2' });
  }
  for (const text of ['sqs://', 'flow-logs', 'sqs://a b', 'ftp://x/y']) {
    t.throws(() => parseQueue(text), { name: 'SourceError', message: /not a queue; write sqs:/ }, text);
  }
});

if (noMoto !== false) {
  t.test('against moto_server', { skip: noMoto }, async () => {});
} else {
  const bench = await startAwsBench();
  const { proxy } = bench;
  let queueUrl = '';

  t.beforeEach(async () => {
    await bench.moto.reset();
    await bench.createBucket('logs');
    const { sdk, client } = await bench.direct.sqs();
    queueUrl = (await client.send(new sdk.CreateQueueCommand({ QueueName: 'q' }))).QueueUrl!;
    proxy.fault = () => undefined;
    proxy.seen.length = 0;
  });

  const send = async (message: unknown): Promise<void> => {
    const { sdk, client } = await bench.direct.sqs();
    const MessageBody = typeof message === 'string' ? message : JSON.stringify(message);
    await client.send(new sdk.SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
  };
  const notification = (...keys: string[]): object => ({
    Records: keys.map((key) => ({
      eventSource: 'aws:s3',
      awsRegion: 'eu-west-1',
      eventName: 'ObjectCreated:Put',
      s3: {
        bucket: { name: 'logs' },
        object: { key: encodeURIComponent(key).replaceAll('%20', '+'), size: 100 },
      },
    })),
  });
  /** Messages that are visible, and those that are hidden. */
  const counts = async (): Promise<[number, number]> => {
    const { sdk, client } = await bench.direct.sqs();
    const { Attributes } = await client.send(
      new sdk.GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }),
    );
    const { ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible } = Attributes!;
    return [Number(ApproximateNumberOfMessages), Number(ApproximateNumberOfMessagesNotVisible)];
  };
  const notices: string[] = [];
  const source = (options: Partial<SqsSourceOptions> = {}): SqsSource =>
    new SqsSource({
      queue: 'sqs://q',
      clients: bench.clients({ maxAttempts: 2 }),
      onNotice: (text) => notices.push(text),
      ...options,
    });
  const target = (name: string): SeenRequest[] =>
    proxy.seen.filter(({ target }) => target === `AmazonSQS.${name}`);
  /** Aborts when the queue is asked so for the n-th time. */
  const endAt = (command: string, n: number): AbortSignal => {
    const ended = new AbortController();
    proxy.fault = () => {
      if (target(command).length >= n) ended.abort();
      return undefined;
    };
    return ended.signal;
  };
  /** Stops when so many have been read. */
  const readSome = async (
    queue: SqsSource,
    count: number,
    onRead: () => unknown = () => {},
  ): Promise<ReadObject[]> => {
    const ended = new AbortController();
    let left = count;
    return await readAll(queue, ended.signal, async () => {
      await onRead();
      if (--left === 0) ended.abort();
    });
  };

  t.test('a message whose records were not sent is let go at once, and ends it', async (t) => {
    await bench.put('logs', 'a.log.gz', logOf(1));
    await send(notification('a.log.gz'));
    const queue = source();
    const reading = async (): Promise<void> => {
      for await (const object of queue.objects(new AbortController().signal)) {
        await queue.failed(object, new RecordsNotSentError('3 of its records were not sent'));
      }
    };
    await t.rejects(reading(), {
      message: 's3://logs/a.log.gz: 3 of its records were not sent; its message stays in the queue',
    });
    t.same(await counts(), [1, 0]);
    t.match(queue, { deletedMessages: 0, damagedMessages: 0 });
  });

  t.test('every envelope; messages are deleted when their objects are exported', async (t) => {
    const keys = [
      'a b+c.log.gz',
      keyOf('2026-01-01T00:05'),
      keyOf('2026-01-01T00:00'),
      'sns.log.gz',
      'bridge+%2B.log.gz',
    ];
    for (const [i, key] of keys.entries()) await bench.put('logs', key, logOf(i));
    await send(notification(keys[0]!, keys[1]!));
    await send(notification(keys[2]!));
    await send({ Type: 'Notification', Message: JSON.stringify(notification(keys[3]!)) });
    await send({
      source: 'aws.s3',
      'detail-type': 'Object Created',
      region: 'eu-west-1',
      detail: { bucket: { name: 'logs' }, object: { key: keys[4], size: 100 } },
    });
    await send({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'logs' });
    const queue = source();
    const read = await readSome(queue, 5);
    t.same(read.map(({ name }) => name.slice('s3://logs/'.length)).sort(), [...keys].sort());
    const dated = read.map(({ name }) => name).filter((name) => name.includes('_2026'));
    t.same(
      dated.map((name) => /T(\d+)Z/.exec(name)?.[1]),
      ['0000', '0005'],
      'of what came together the oldest is first',
    );
    for (const { text, name } of read)
      t.match(text, ` 6 ${keys.indexOf(name.slice('s3://logs/'.length))} 40 `, name);
    t.same(await counts(), [0, 0]);
    t.equal(queue.deletedMessages, 5);
    t.equal(queue.found.objects, 5);
    t.equal((await bench.keys('logs')).length, 5, 'objects are never deleted');
  });

  t.test('a message is deleted after the last of its objects, not before', async (t) => {
    for (const key of ['a.log', 'b.log', 'c.log']) await bench.put('logs', key, key);
    await send(notification('a.log', 'b.log', 'c.log'));
    const hidden: [number, number][] = [];
    await readSome(source({ ahead: { objects: 1 } }), 3, async () => {
      hidden.push(await counts());
    });
    t.same(
      hidden,
      [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
      'while its third is read it is there',
    );
    t.same(await counts(), [0, 0]);
  });

  t.test('a stop: what is not exported is visible again at once', async (t) => {
    for (let i = 0; i < 5; i++) {
      await bench.put('logs', `${i}.log`, 'x');
      await send(notification(`${i}.log`));
    }
    const ended = new AbortController();
    const read = await readAll(source(), ended.signal, ({ name }) => {
      if (name.endsWith('/1.log')) ended.abort();
    });
    t.equal(read.length, 2);
    t.same(await counts(), [3, 0]);
    t.same(
      JSON.parse(target('ChangeMessageVisibilityBatch').at(-1)!.body).Entries.map(
        ({ VisibilityTimeout }: { VisibilityTimeout: number }) => VisibilityTimeout,
      ),
      [0, 0, 0],
    );
  });

  t.test('a reader that leaves in the middle of an object gives its message back, too', async (t) => {
    await bench.put('logs', 'a.log', 'x');
    await send(notification('a.log'));
    for await (const object of source().objects(new AbortController().signal)) {
      t.equal(object.name, 's3://logs/a.log');
      break;
    }
    t.same(await counts(), [1, 0]);
  });

  t.test('a slow export keeps its messages hidden', async (t) => {
    await bench.put('logs', 'a.log', 'x');
    await bench.put('logs', 'b.log', 'x');
    await send(notification('a.log'));
    await send(notification('b.log'));
    let extended = (): void => {};
    const twice = new Promise<void>((resolve) => {
      extended = resolve;
    });
    proxy.fault = () => {
      if (target('ChangeMessageVisibilityBatch').length >= 2) extended();
      return undefined;
    };
    const read = await readSome(source({ visibilitySeconds: 1 }), 2, () => twice);
    t.equal(read.length, 2);
    const { Entries } = JSON.parse(target('ChangeMessageVisibilityBatch')[0]!.body);
    t.match(Entries, [{ VisibilityTimeout: 1 }, { VisibilityTimeout: 1 }]);
    t.same(await counts(), [0, 0]);
  });

  t.test('a message delivered again while it is held is not exported again', async (t) => {
    await bench.put('logs', 'a.log', 'x');
    await send(notification('a.log'));
    const { sdk, client } = await bench.direct.sqs();
    const ended = new AbortController();
    let extended = (): void => {};
    const once = new Promise<void>((resolve) => {
      extended = resolve;
    });
    proxy.fault = () => {
      if (target('ChangeMessageVisibilityBatch').length > 0) extended();
      if (target('DeleteMessageBatch').length > 0) ended.abort();
      return undefined;
    };
    const queue = source({ visibilitySeconds: 2 });
    const read = await readAll(queue, ended.signal, async () => {
      await once;
      const [{ ReceiptHandle }] = JSON.parse(target('ChangeMessageVisibilityBatch')[0]!.body).Entries;
      await client.send(
        new sdk.ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
      );
      while ((await counts())[0] !== 0) {} // until it is delivered again
    });
    t.equal(read.length, 1);
    t.equal(queue.found.objects, 1);
    // Twice where the answer with the second delivery is read after the object is exported.
    t.ok(queue.deletedMessages === 1 || queue.deletedMessages === 2, `${queue.deletedMessages} deleted`);
    t.same(await counts(), [0, 0]);
  });

  t.test('an object that two messages announce is exported once; both are deleted then', async (t) => {
    await bench.put('logs', 'a.log', 'x');
    await bench.put('logs', 'b.log', 'x');
    const event = (key: string, eTag: string): object =>
      JSON.parse(JSON.stringify(notification(key)).replace('"size"', `"eTag":"${eTag}","size"`));
    await send(event('a.log', '1'));
    await send(event('a.log', '1'));
    await send(event('a.log', '2'));
    await send(notification('b.log'));
    await send(notification('b.log'));
    const queue = source();
    const read = await readSome(queue, 4);
    t.same(
      read.map(({ name }) => name.slice('s3://logs/'.length)),
      ['a.log', 'a.log', 'b.log', 'b.log'],
      'what is overwritten is another object, and so is what is not told apart',
    );
    t.equal(queue.deletedMessages, 5);
    t.same(await counts(), [0, 0]);
  });

  t.test('an object that is archived or denied leaves its message, and the others are read', async (t) => {
    for (const key of ['a.log', 'b.log', 'c.log']) {
      await bench.put('logs', key, key);
      await send(notification(key));
    }
    const ended = new AbortController();
    proxy.fault = ({ path, target: command }) => {
      if (path.includes('a.log')) return s3Fault(403, 'InvalidObjectState');
      if (path.includes('b.log')) return s3Fault(403, 'AccessDenied');
      if (command === 'AmazonSQS.DeleteMessageBatch') ended.abort();
      return undefined;
    };
    const queue = source();
    const read = await readAll(queue, ended.signal);
    t.same(
      read.map(({ text, error }) => (error as { kind?: string } | undefined)?.kind ?? text),
      ['archived', 'access-denied', 'c.log'],
    );
    t.match(queue, { deletedMessages: 1, damagedMessages: 2 });
    t.equal((await counts())[1], 2);
  });

  t.test('access denied to every object ends it', async (t) => {
    for (let i = 0; i < 12; i++) await send(notification(`${10 + i}.log`));
    proxy.fault = ({ path }) => (path.includes('.log') ? s3Fault(403, 'AccessDenied') : undefined);
    const said: string[] = [];
    await t.rejects(
      readAll(source(), undefined, ({ name }) => {
        said.push(name);
      }),
      { kind: 'access-denied', message: /grant s3:GetObject on/ },
    );
    t.equal(said.length, 8);
  });

  t.test('foreign messages: counted once each, said once, left', async (t) => {
    await bench.put('logs', 'a.log', 'x');
    await send('hello');
    await send({ alarm: 'cpu' });
    await send(notification('AWSLogs/123456789012/CloudTrail/eu-west-1/2026/01/01/x.json.gz'));
    await send(notification('a.log'));
    notices.length = 0;
    const queue = source({ visibilitySeconds: 1 });
    // They come again after a second.
    const read = await readAll(queue, endAt('ReceiveMessage', 4));
    t.equal(read.length, 1);
    t.equal(queue.foreignMessages, 3);
    t.equal(notices.length, 1);
    t.match(
      notices[0],
      /^sqs:\/\/q: message \S+ is left in the queue: it is no JSON object; further ones are counted only$/,
    );
    const [visible, hidden] = await counts();
    t.equal(visible + hidden, 3);
    t.equal(queue.deletedMessages, 1);
  });

  t.test('a removal is no object, and its message goes', async (t) => {
    await send({ Records: [{ eventSource: 'aws:s3', eventName: 'ObjectRemoved:Delete', s3: {} }] });
    const queue = source();
    t.same(await readAll(queue, endAt('DeleteMessageBatch', 1)), []);
    t.same(await counts(), [0, 0]);
  });

  t.test('an object that vanished is counted, and its message goes', async (t) => {
    await send(notification('gone.log'));
    const queue = source();
    t.same(await readAll(queue, endAt('DeleteMessageBatch', 1)), []);
    t.equal(queue.vanished, 1);
    t.same(await counts(), [0, 0]);
  });

  t.test('a damaged object: its message stays, and is not read again', async (t) => {
    await bench.put('logs', 'a.log.gz', logOf(1).subarray(0, 60));
    await send(notification('a.log.gz'));
    const queue = source({ visibilitySeconds: 1 });
    // They come again after a second.
    const read = await readAll(queue, endAt('ReceiveMessage', 4));
    t.equal(read.length, 1);
    t.match(read[0]?.error?.message, 'the gzip is cut short');
    t.equal(queue.damagedMessages, 1);
    const [visible, hidden] = await counts();
    t.equal(visible + hidden, 1);
  });

  t.test('errors say what to grant or change', async (t) => {
    await bench.put('logs', 'a.log', 'x');
    await send(notification('a.log'));
    await t.rejects(readAll(source({ queue: 'sqs://not-there' })), {
      kind: 'no-such-queue',
      message:
        "sqs://not-there: there is no such queue, or its policy hides it; look at the queue's URL, its region and account",
    });
    const failing = (name: string, code: string): Promise<unknown> => {
      proxy.fault = ({ target }) =>
        target === `AmazonSQS.${name}` ? jsonFault(403, code, `no ${name}`) : undefined;
      return readAll(
        source({ queue: 'arn:aws:sqs:eu-west-1:123456789012:q', visibilitySeconds: 1 }),
        undefined,
        async () => {
          if (name === 'ChangeMessageVisibilityBatch')
            await new Promise((resolve) => setTimeout(resolve, 700));
        },
      );
    };
    await t.rejects(failing('ReceiveMessage', 'AccessDeniedException'), {
      message:
        'sqs://q: access denied: sqs:ReceiveMessage; grant sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:123456789012:q',
    });
    notices.length = 0;
    await t.rejects(failing('DeleteMessageBatch', 'AccessDeniedException'), {
      message: /grant sqs:DeleteMessage on/,
    });
    t.match(notices, [/messages that are exported could not be deleted, and will come again/]);
    const { sdk, client } = await bench.direct.sqs();
    await client.send(new sdk.PurgeQueueCommand({ QueueUrl: queueUrl }));
    await send(notification('a.log'));
    await t.rejects(failing('ChangeMessageVisibilityBatch', 'AccessDeniedException'), {
      message: /grant sqs:ChangeMessageVisibility on/,
    });
  });
}
