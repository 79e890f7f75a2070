/** Who reads a capture in the benchmark, and how each is started. */
import { compiled, findCommand, WEIR } from './programs.ts';

export interface Contestant {
  readonly name: string;
  /** The command that reads `file` and exports IPFIX to `port` on 127.0.0.1. */
  command(file: string, port: number): readonly string[];
}

/** Paces nothing: the receiver's socket holds whatever comes. */
export const weir: Contestant = {
  name: 'weir',
  command: (file, port) => [...WEIR, 'read', file, '-c', `ipfix://127.0.0.1:${port}?rate=0`],
};

/** As a user starts it, with the default pace of datagrams. */
export const weirPaced: Contestant = {
  name: 'weir, default rate',
  command: (file, port) => [...WEIR, 'read', file, '-c', `ipfix://127.0.0.1:${port}`],
};

export const floor: Contestant = {
  name: 'floor (C)',
  command: (file, port) => [compiled('floor'), file, '127.0.0.1', String(port)],
};

/** From a file it expires nothing by time; -m above every file's flows, because its default is 8192. */
export const softflowd: Contestant = {
  name: 'softflowd',
  command: (file, port) => [
    findCommand('softflowd')!,
    ...['-r', file, '-n', `127.0.0.1:${port}`, '-v', '10', '-d', '-m', '1100000'],
  ],
};
