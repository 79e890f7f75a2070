import t from 'tap';
import { fullName, OPTIONS, optionOf, PROPERTIES, propertyNamed } from '../../src/config/schema.ts';
import { nearest } from '../../src/config/suggest.ts';

t.test('every option is declared soundly', async (t) => {
  const names = new Set<string>();
  for (const property of PROPERTIES) {
    const option = optionOf(property);
    t.match(option.name, /^[a-z]+(-[a-z]+)*$/);
    t.equal(propertyNamed(option.name, option.section), property);
    t.notOk(names.has(fullName(property)), `${fullName(property)} is unique`);
    names.add(fullName(property));
    if (option.alias !== undefined) {
      t.notOk(names.has(option.alias), `${option.alias} is unique`);
      names.add(option.alias);
    }
    if (option.default !== undefined) {
      t.equal(
        option.type.format(option.type.parse(option.default)),
        option.default,
        `${option.name}: default`,
      );
    }
    t.ok(option.help.length <= 80, `${option.name}: one line of help`);
  }
});

t.test('the nearest right name', async (t) => {
  const names = PROPERTIES.map((property) => OPTIONS[property].name);
  const slips: [slip: string, name: string | undefined][] = [
    ['active-timout', 'active-timeout'],
    ['active_timeout', 'active-timeout'],
    ['ActiveTimeout', 'active-timeout'],
    ['mut', 'mtu'],
    ['collecter', 'collector'],
    ['interfaces', 'interface'],
    ['maxflow', 'max-flows'],
    ['jsno', 'json'],
    ['timeout', undefined],
    ['x', undefined],
    ['', undefined],
    ['a'.repeat(100_000), undefined],
  ];
  for (const [slip, name] of slips) t.equal(nearest(slip, names), name, slip.slice(0, 20));
});
