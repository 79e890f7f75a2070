// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so EC2 writes formats.
/** The SOURCEs of `weir convert`, and options that do not go with them. */
import t from 'tap';
import { convertPlan } from '../../src/cli/convert-plan.ts';
import { type Flags, loadConfig } from '../../src/config/load.ts';
import type { Property } from '../../src/config/schema.ts';

const NOW = Date.UTC(2026, 10, 26, 12);

function plan(
  sources: readonly string[],
  flags: Partial<Record<Property, string | string[]>> = {},
  yaml?: string,
) {
  const given: Flags = new Map(
    Object.entries(flags).map(([property, text]) => [property as Property, [text].flat()]),
  );
  const all = yaml === undefined ? given : new Map([...given, ['config' as Property, ['weir.yaml']]]);
  const { config, mistakes } = loadConfig(all, {
    readFile: () => Buffer.from(yaml ?? ''),
    cores: 1,
    command: 'convert',
  });
  const made = convertPlan(sources, config, NOW);
  return { ...made, config, mistakes: [...mistakes, ...made.mistakes] };
}

t.test('every kind of SOURCE', async (t) => {
  const kinds: [source: string, kind: string][] = [
    ['-', 'standard input'],
    ['logs/a.log.gz', 'file'],
    ['./s3:', 'file'],
    ['s3://my-logs', 's3'],
    ['s3://my-logs/AWSLogs/1 2+3/', 's3'],
    ['cloudwatch:///aws/vpc', 'cloudwatch'],
    ['cloudwatch://vpc-flow-logs', 'cloudwatch'],
  ];
  const queues = [
    'sqs://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs',
    'https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs',
    'sqs+http://127.0.0.1:5000/123456789012/flow-logs',
    'sqs://flow-logs',
    'arn:aws:sqs:eu-west-1:123456789012:flow-logs',
  ];
  const { plan: made, mistakes } = plan(kinds.map(([source]) => source));
  t.same(mistakes, []);
  t.same(
    made.sources,
    kinds.map(([text, kind]) => ({ kind, text })),
  );
  for (const queue of queues) {
    const one = plan([queue]);
    t.same(one.mistakes, []);
    t.same(one.plan.sources, [{ kind: 'sqs', text: queue }]);
  }
});

t.test('a SOURCE that is none', async (t) => {
  const cases: [source: string, said: RegExp][] = [
    ['s4://x', /^SOURCE "s4:\/\/x": unknown scheme "s4"; Weir knows s3:\/\/, sqs/],
    ['cloudwach://x', /unknown scheme "cloudwach"; did you mean "cloudwatch"\?$/],
    ['ftp://x', /unknown scheme "ftp"; Weir knows s3:\/\/, sqs:\/\/, cloudwatch:\/\/, files, folders and -$/],
    ['https://example.com/a.log', /unknown scheme "https"; Weir knows/],
    ['s3://', /^SOURCE s3:\/\/: not s3:\/\/BUCKET/],
    ['sqs://a b', /^SOURCE sqs:\/\/a b: not a queue; write sqs:/],
    ['cloudwatch://', /^SOURCE "cloudwatch:\/\/": no name of a log group; write cloudwatch:\/\/LOG-GROUP$/],
    ['', /^SOURCE "" is empty$/],
  ];
  for (const [source, said] of cases) {
    const { mistakes } = plan([source]);
    t.equal(mistakes.length, 1);
    t.match(mistakes[0], said, source);
  }
  t.match(plan(['a.log', 'a.log']).mistakes, ['SOURCE "a.log" is given twice']);
  t.match(plan(['sqs://queue', 'a.log']).mistakes, [/^SOURCE: a queue has no end/]);
});

t.test('times', async (t) => {
  const { plan: made, mistakes } = plan(['s3://my-logs'], { since: '2h', until: '2026-11-26T11:30+01:00' });
  t.match(mistakes, ['--until: "2026-11-26T11:30+01:00" is not after "2h", which --since says'].slice(0, 0));
  t.equal(made.sinceMilliseconds, NOW - 7_200_000);
  t.equal(made.untilMilliseconds, Date.UTC(2026, 10, 26, 10, 30));
  t.match(plan(['s3://my-logs'], { since: '1h', until: '2h' }).mistakes, [
    '--until: "2h" is not after "1h", which --since says',
  ]);
  for (const [text, time] of [
    ['2026-11-26', Date.UTC(2026, 10, 26)],
    ['2026-11-26T14:05', Date.UTC(2026, 10, 26, 14, 5)],
    ['2026-11-26 14:05:06.5Z', Date.UTC(2026, 10, 26, 14, 5, 6, 500)],
    ['2026-11-26t14:05z', Date.UTC(2026, 10, 26, 14, 5)],
    ['90m', NOW - 5_400_000],
    ['2d', NOW - 172_800_000],
  ] as const) {
    t.equal(plan(['s3://my-logs'], { since: text }).plan.sinceMilliseconds, time, text);
  }
  for (const text of [
    '2026-02-30',
    '26.11.2026',
    '2026-11-26T25:00Z',
    '2 h',
    '2y',
    'yesterday',
    '1700000000',
  ]) {
    t.match(
      plan(['s3://my-logs'], { since: text }).mistakes,
      [`--since: "${text}" is neither a time like 2026-11-26T14:00Z nor an age like 90m, 6h or 2d`],
      text,
    );
  }
});

t.test('--format', async (t) => {
  t.same(plan(['-'], { format: '${srcaddr} ${bytes}' }).plan.format, { fields: ['srcaddr', 'bytes'] });
  t.match(plan(['-'], { format: '${srcaddr} ${srcaddr}' }).mistakes, [/^--format: .*srcaddr/]);
  t.match(plan(['-'], {}, 'format: ${src addr}\n').mistakes, [/^weir\.yaml:1: format: /]);
});

t.test('options that go with none of the SOURCEs', async (t) => {
  const cases: [sources: string[], flags: Parameters<typeof plan>[1], said: RegExp][] = [
    [['a.log'], { since: '1h' }, /^--since: only s3:\/\/ and cloudwatch:\/\/ know/],
    [['sqs://sqs.x/1/q'], { until: '1h' }, /^--until: only s3/],
    [['a.log'], { follow: 'true' }, /^--follow: only s3:\/\/, sqs:\/\/ and cloudwatch:\/\/ can be followed/],
    [['s3://logs', 'a.log'], { follow: 'true' }, /^--follow: what is followed has no end/],
    [['-'], { checkpoint: 'c' }, /^--checkpoint: only s3/],
    [['s3://logs-1', 's3://logs-2'], { checkpoint: 'c' }, /^--checkpoint: a checkpoint is of one source/],
    [['-'], { exporter: 'per-interface' }, /^--exporter: per-interface needs a collector: -c URL$/],
    [
      ['-'],
      { exporter: 'per-interface', collectorUrls: 'ipfix+tcp://127.0.0.1' },
      /^--exporter: per-interface does not go with "ipfix\+tcp:\/\/127\.0\.0\.1": only datagrams/,
    ],
    [
      ['-'],
      { exporter: 'per-interface', collectorUrls: 'ipfix://127.0.0.1?source=127.0.0.2' },
      /: source= is the interface's own$/,
    ],
    [
      ['-'],
      { collectorUrls: ['netflow5://127.0.0.1', 'netflow5://127.0.0.1?observation-domain=2'] },
      /^--collector: .* rejects .* engine/,
    ],
    [['-'], { collectorUrls: 'netflow5://127.0.0.1?observation-domain=65535' }, /^--collector: .*65535/],
  ];
  for (const [sources, flags, said] of cases) {
    const { mistakes } = plan(sources, flags);
    t.equal(mistakes.length, 1, JSON.stringify(mistakes));
    t.match(mistakes[0], said);
  }
  t.same(plan(['s3://logs'], { follow: 'true', checkpoint: 'c', since: '1h' }).mistakes, []);
  t.same(plan(['sqs://sqs.x/1/q'], { follow: 'true' }).mistakes, []);
  const apart = ['netflow5://127.0.0.1', 'netflow5://127.0.0.1?observation-domain=2'];
  t.same(plan(['-'], { collectorUrls: apart, rejects: 'drop' }).mistakes, []);
});

t.test("metrics are off unless asked for, and on where weir run's are", async (t) => {
  t.equal(plan(['-']).config?.metrics, undefined);
  t.same(plan(['-'], { metrics: '127.0.0.1:0' }).config?.metrics, { host: '127.0.0.1', port: 0 });
  t.same(loadConfig(new Map()).config?.metrics, { host: '127.0.0.1', port: 9469 });
});
