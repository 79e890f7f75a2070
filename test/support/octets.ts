/** Annotated octets: hexadecimal digits; blanks, and all from # to the end of a line, are for the reader. */
export function octets(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not whole octets in hexadecimal: ${digits}`);
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** The other way round. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
