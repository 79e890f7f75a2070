/** Memory in which WebAssembly works. */
export interface SharedMemory {
  readonly memory: WebAssembly.Memory;
  /** @returns where octets begin that are all 0, and never given back */
  allocate(octets: number): number;
}

/** What a memory in which Flow Records lie has room for beside: whoever encodes them (export/encoder.ts). */
export const ENCODER_OCTETS = 270_336;
