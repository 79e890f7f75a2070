/** What a handler is given: the rest of the program, as far as it needs it. */

import type { Logger } from '../cli/logger.ts';
import type { LogFormat, LogObject } from '../flowlogs/log-object.ts';
import type { AnnouncedObject } from '../flowlogs/sources/s3-events.ts';

export interface Work {
  readonly log: Logger;
  /** Resolves when every record of the object has left; rejects where it could not be read, or did not leave. */
  convert(object: LogObject): Promise<void>;
  /** How the lines of a log group are written; undefined: in the configured format. @param owner its account */
  formatOf(logGroup: string, owner: string): Promise<LogFormat | undefined>;
  /** Fetches an object of S3; undefined: it has been deleted since. */
  openS3(place: AnnouncedObject): Promise<LogObject | undefined>;
}
