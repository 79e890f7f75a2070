/** Who takes the log. The fields stand beside the message: JSON properties, or `name: value` on a terminal. */
export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}
