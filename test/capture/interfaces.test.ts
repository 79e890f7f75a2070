import { test } from 'tap';
import { findInterface, interfaceNames, linkTypeOf, noSuchInterface } from '../../src/capture/interfaces.ts';
import { LinkType } from '../../src/capture/packet-source.ts';

const skip = interfaceNames().includes('lo') ? false : 'no sysfs with a loopback interface';

test('loopback is found, with what the kernel says of it', { skip }, (t) => {
  const lo = findInterface('lo');
  t.match(lo, { name: 'lo', index: 1, hardwareType: 772 });
  t.equal(linkTypeOf(lo!), LinkType.ETHERNET);
  for (const name of ['', '.', '..', 'lo/../lo', 'nowhere0']) t.equal(findInterface(name), undefined, name);
  t.end();
});

test('link layers: Ethernet, plain IP, and a refusal for the rest', (t) => {
  const device = { name: 'x0', index: 5, up: true };
  t.equal(linkTypeOf({ ...device, hardwareType: 1 }), LinkType.ETHERNET);
  t.equal(linkTypeOf({ ...device, hardwareType: 65_534 }), LinkType.RAW);
  t.throws(() => linkTypeOf({ ...device, hardwareType: 280 }), { message: /x0.*ARPHRD type 280/ });
  t.end();
});

test('an unknown name gets the nearest one suggested, if any is near', (t) => {
  const names = ['docker0', 'ens5', 'lo'];
  t.equal(
    noSuchInterface('ens6', names).message,
    'There is no interface named ens6. Did you mean ens5? There are: docker0, ens5, lo.',
  );
  t.equal(
    noSuchInterface('wlp3s0', names).message,
    'There is no interface named wlp3s0. There are: docker0, ens5, lo.',
  );
  t.end();
});
