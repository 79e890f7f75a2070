/** What the converter has to say, as lines of the log: for the command and for the Lambda functions. */

import type { ConverterOptions } from '../flowlogs/convert-options.ts';
import type { Log } from './log.ts';

type Reports = Pick<
  ConverterOptions,
  'onNotice' | 'onLongWay' | 'onFault' | 'onWrongFormat' | 'onObjectError'
>;

/** @param formatOption by which whoever runs it tells the format of lines without a header */
export function convertReports(log: Log, formatOption: string): Reports {
  return {
    onNotice: (outlet, text) => log.warn(text, { collector: outlet }),
    onLongWay: ({ message }) =>
      log.warn(`every line is read octet by octet, which takes about twice the processor: ${message}`),
    onFault: ({ kind, object, line, text }) =>
      log.warn(`a faulty line (${kind}); others of this kind are only counted`, { object, line, text }),
    onWrongFormat: (object) =>
      log.warn(`every line is faulty: most likely they have another format, which ${formatOption} can tell`, {
        object,
      }),
    onObjectError: (object, error) => log.error(`${object}: ${error.message}`),
  };
}
