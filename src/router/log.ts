/** What the router needs of a log. */
export interface RouterLogger {
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

export interface RouterLog extends RouterLogger {
  /** Lets one line through in an interval for all calls with this key. */
  rateLimited(key: string, intervalSeconds: number): RouterLogger;
}
