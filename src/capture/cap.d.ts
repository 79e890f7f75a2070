/** The npm package `cap` brings no types. As much of it as libpcap.ts uses; its decoders are not to be used. */
declare module 'cap' {
  export class Cap {
    /** Returns the name of the link type. Keeps a raw pointer to `buffer`. */
    open(device: string, filter: string, kernelBufferOctets: number, buffer: Buffer): string;
    close(): boolean;
    on(event: 'packet', listener: (capturedLength: number, truncated: boolean) => void): this;
    send(packet: Buffer, octets?: number): void;
  }
  const cap: { Cap: typeof Cap };
  export default cap;
}
