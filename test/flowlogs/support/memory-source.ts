/** Objects of flow logs out of memory, and an interface map without a file. */

import type { InterfaceMap } from '../../../src/flowlogs/interface-map.ts';
import type { LogObject, LogSource } from '../../../src/flowlogs/log-object.ts';
import type { Random } from '../../fuzz/random.ts';

export class MemorySource implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  readonly vanished = 0;
  /** Names of objects, in the order in which the converter was done with them. */
  readonly done: string[] = [];
  readonly failures = new Map<string, Error>();
  readonly #objects: readonly LogObject[];

  constructor(objects: readonly LogObject[]) {
    this.#objects = objects;
    this.found.objects = objects.length;
  }

  async *objects(): AsyncIterable<LogObject> {
    yield* this.#objects;
  }

  async exported(object: LogObject): Promise<void> {
    this.done.push(object.name);
  }

  async failed(object: LogObject, error: Error): Promise<void> {
    this.failures.set(object.name, error);
  }
}

export interface TextObject {
  readonly name: string;
  readonly octets: Uint8Array;
  /** Undefined: a header line says it. */
  readonly fields?: readonly string[];
  /** At the end of the octets, instead of an end. */
  readonly fails?: Error;
}

/** Text in chunks that are cut anywhere, an octet each among them. */
export function textObject(random: Random, { name, octets, fields, fails }: TextObject): LogObject {
  return {
    name,
    storedOctets: octets.length,
    format: fields === undefined ? undefined : { fields },
    content: {
      kind: 'text',
      header: fields === undefined ? 'first-line' : 'none',
      async *chunks() {
        for (let at = 0; at < octets.length; ) {
          const size = random.pick([0, 1, 1, 2, 7, 100, 1000, 65_536, 1_000_000]);
          // A source may use its memory again.
          yield octets.slice(at, at + size);
          at += size;
        }
        if (fails !== undefined) throw fails;
      },
    },
  };
}

export function parquetObject(name: string, octets: Uint8Array): LogObject {
  const copy = octets.slice().buffer;
  return {
    name,
    storedOctets: octets.length,
    format: undefined,
    content: {
      kind: 'parquet',
      file: { byteLength: octets.length, slice: async (start, end) => copy.slice(start, end) },
    },
  };
}

/** Numbers interfaces in the order in which they are met. */
export class MemoryInterfaceMap implements InterfaceMap {
  readonly numbers = new Map<string, number>();

  get size(): number {
    return this.numbers.size;
  }

  number(octets: DataView, from: number, to: number): number {
    const name = Buffer.from(octets.buffer, octets.byteOffset + from, to - from).toString();
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    this.numbers.set(name, this.numbers.size + 1);
    return this.numbers.size;
  }

  name(number: number): string | undefined {
    return [...this.numbers].find(([, of]) => of === number)?.[0];
  }

  interfaces(most: number): { index: number; name: string }[] {
    return [...this.numbers].map(([name, index]) => ({ index, name })).slice(0, most);
  }

  async save(): Promise<void> {}

  close(): void {}
}
