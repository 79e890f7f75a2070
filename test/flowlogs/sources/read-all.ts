/** The least of a converter: reads each object to its end, and tells the source. */
import type { LogObject, LogSource } from '../../../src/flowlogs/log-object.ts';

export interface ReadObject {
  readonly name: string;
  /** What could be read. */
  readonly text: string;
  readonly error: Error | undefined;
}

export async function readObject(object: LogObject): Promise<ReadObject> {
  const parts: Uint8Array[] = [];
  let error: Error | undefined;
  try {
    if (object.content.kind === 'text') {
      for await (const chunk of object.content.chunks()) parts.push(chunk);
    } else {
      const { file } = object.content;
      const half = Math.floor(file.byteLength / 2);
      parts.push(new Uint8Array(await file.slice(0, half)), new Uint8Array(await file.slice(half)));
    }
  } catch (thrown) {
    error = thrown as Error;
  }
  return { name: object.name, text: Buffer.concat(parts).toString('utf8'), error };
}

/** @param onRead before the source is told; may abort */
export async function readAll(
  source: LogSource,
  signal: AbortSignal = new AbortController().signal,
  onRead: (read: ReadObject) => void | Promise<void> = () => {},
): Promise<ReadObject[]> {
  const all: ReadObject[] = [];
  for await (const object of source.objects(signal)) {
    const read = await readObject(object);
    all.push(read);
    await onRead(read);
    await (read.error === undefined ? source.exported(object) : source.failed(object, read.error));
  }
  return all;
}
