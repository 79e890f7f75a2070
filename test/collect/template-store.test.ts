import t from 'tap';
import { ipfix, RecordingDecoder } from './octets.ts';

/** A Template Set with one Template of `count` fields of two octets. */
function template(id: number, count: number, element = 7): string {
  const hex = (value: number) => value.toString(16).padStart(4, '0');
  const fields = `${hex(element)} 0002`.repeat(count);
  return `0002 ${hex(8 + 4 * count)} ${hex(id)} ${hex(count)} ${fields}`;
}

const source = (port: number) => ({ address: '192.0.2.1', port });

t.test('the source that was silent longest makes room', async (t) => {
  const recording = new RecordingDecoder({ limits: { sources: 3 } });
  for (const port of [1, 2, 3]) recording.decode(ipfix(0, template(256, 1)), source(port));
  recording.decode(ipfix(0, '0100 0006 0050'), source(1));
  recording.decode(ipfix(0, template(256, 1)), source(4));
  const { store } = recording.decoder;
  t.equal(store.size, 3);
  t.equal(store.counters.evictedSources, 1);
  t.equal(store.fields, 3 * 5);
  for (const port of [1, 3, 4]) recording.decode(ipfix(1, '0100 0006 0050'), source(port));
  t.equal(recording.counters.missingTemplate, 0, 'all but the second are known');
});

t.test('the Template that was refreshed longest ago makes room', async (t) => {
  const recording = new RecordingDecoder({ limits: { templatesPerSource: 2 } });
  recording.decode(ipfix(0, template(256, 1) + template(257, 1) + template(256, 1) + template(258, 1)));
  t.equal(recording.decoder.store.counters.evictedTemplates, 1);
  recording.decode(ipfix(0, '0100 0006 0050  0102 0006 0050'));
  t.equal(recording.records.length, 2);
  recording.decode(ipfix(2, '0101 0006 0050'));
  t.equal(recording.counters.missingTemplate, 1);
});

t.test('a Template with too many fields is refused', async (t) => {
  const recording = new RecordingDecoder({ limits: { fieldsPerTemplate: 4 } });
  t.equal(recording.decode(ipfix(0, template(256, 4))), undefined);
  t.equal(recording.decode(ipfix(0, template(257, 5))), 'too_many_fields');
});

t.test('fields in all are bounded, whoever sends them', async (t) => {
  const recording = new RecordingDecoder({ limits: { fields: 100 } });
  const { store } = recording.decoder;
  for (let port = 1; port <= 20; port++) recording.decode(ipfix(0, template(256, 16)), source(port));
  t.equal(store.fields, 100);
  t.equal(store.size, 5);
  t.equal(store.counters.evictedSources, 15);
  // One source alone: its own oldest Templates go, and its newest stays.
  for (let id = 256; id < 276; id++) recording.decode(ipfix(0, template(id, 16)), source(20));
  t.equal(store.fields, 100);
  t.equal(store.size, 1);
  recording.decode(ipfix(0, `0113 0024 ${'0050'.repeat(16)}`), source(20));
  t.equal(recording.records.length, 1);
});

t.test('a redefinition frees what it replaces', async (t) => {
  const recording = new RecordingDecoder();
  for (let turn = 0; turn < 100; turn++) recording.decode(ipfix(0, template(256, 3, 7 + (turn % 2))));
  t.equal(recording.decoder.store.fields, 7);
  recording.decoder.forget(source(40000));
  t.equal(recording.decoder.store.fields, 0);
});
