/** The instance metadata service, version 2 alone. */
import t, { type Test } from 'tap';
import { Imds } from '../../src/aws/imds.ts';
import { readInstance } from '../../src/aws/instance.ts';
import { FakeImds, metadataOf } from '../router/fake-imds.ts';

const MAC = '02:00:00:00:00:01';
const VALUES = metadataOf('i-0123456789abcdef0', 'eu-central-1b', [
  {
    id: 'eni-00000002',
    mac: '02:00:00:00:00:02',
    deviceNumber: 1,
    subnetId: 'subnet-2',
    vpcId: 'vpc-1',
    ipv4: ['10.0.2.9'],
    subnetCidr: '10.0.2.0/24',
    vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'],
  },
  {
    id: 'eni-00000001',
    mac: MAC,
    deviceNumber: 0,
    subnetId: 'subnet-1',
    vpcId: 'vpc-1',
    ipv4: ['10.0.1.9', '10.0.1.10'],
    subnetCidr: '10.0.1.0/24',
    vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'],
  },
]);

async function service(t: Test, values = VALUES): Promise<{ fake: FakeImds; endpoint: string }> {
  const fake = new FakeImds(new Map(values));
  const port = await fake.start();
  t.teardown(() => fake.stop());
  return { fake, endpoint: `http://127.0.0.1:${port}` };
}

t.test('the instance, its place and its interfaces, by one token', async (t) => {
  const { fake, endpoint } = await service(t);
  const instance = await readInstance(new Imds({ endpoints: [endpoint], nowMilliseconds: () => 0 }));
  t.match(instance, {
    instanceId: 'i-0123456789abcdef0',
    instanceType: 'c7gn.large',
    region: 'eu-central-1',
    zone: 'eu-central-1b',
  });
  t.match(instance.interfaces, [
    {
      id: 'eni-00000001',
      mac: MAC,
      deviceNumber: 0,
      ipv4: ['10.0.1.9', '10.0.1.10'],
      ipv6: [],
      subnetCidrs: ['10.0.1.0/24'],
      vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'],
    },
    { id: 'eni-00000002', deviceNumber: 1 },
  ]);
  t.equal(fake.asked[0], 'PUT /latest/api/token', 'a token first');
  t.equal(fake.tokens, 1);
  t.notOk(
    fake.asked.some((line) => line.startsWith('V1')),
    'version 1 is never asked',
  );
});

t.test('a token is renewed before it ends, and at once where it is refused', async (t) => {
  const { fake, endpoint } = await service(t);
  let now = 0;
  const imds = new Imds({ endpoints: [endpoint], nowMilliseconds: () => now });
  const id = () => imds.get('meta-data/instance-id');
  await id();
  now = (21_600 - 301) * 1000;
  await id();
  t.equal(fake.tokens, 1);
  now += 2_000;
  await id();
  t.equal(fake.tokens, 2);
  fake.forgetTokens();
  t.equal(await id(), 'i-0123456789abcdef0');
  t.equal(fake.tokens, 3);
});

t.test('what is not there, and who does not answer', async (t) => {
  const { fake, endpoint } = await service(t);
  const imds = new Imds({ endpoints: [endpoint], nowMilliseconds: () => 0, timeoutMilliseconds: 2_000 });
  t.equal(await imds.get('user-data'), undefined);
  t.same(await imds.list('meta-data/nothing'), []);
  fake.status = 503;
  await t.rejects(imds.get('meta-data/instance-id'), { name: 'ImdsError', message: /answers 503/ });
  await t.rejects(imds.get('meta-data/instance-id'), {
    message: `${endpoint} gives no token: it answers 503`,
  });
  fake.status = undefined;
  fake.values.delete('meta-data/network/interfaces/macs');
  await t.rejects(readInstance(imds), { message: 'it knows no network interface yet' });
  await fake.stop();
  await t.rejects(imds.get('meta-data/instance-id'), { name: 'ImdsError', message: /ECONNREFUSED/ });
  const aborted = AbortSignal.abort(new Error('asked to end'));
  await t.rejects(imds.get('meta-data/instance-id', aborted), { message: 'asked to end' });
});

t.test('IPv6 where IPv4 does not answer', async (t) => {
  const { endpoint } = await service(t);
  const imds = new Imds({ endpoints: ['http://127.0.0.1:1', endpoint], nowMilliseconds: () => 0 });
  t.equal(await imds.get('meta-data/instance-id'), 'i-0123456789abcdef0');
});
