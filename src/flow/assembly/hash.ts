/** HalfSipHash-1-3 of rows' keys, as hash.ts of the code around has it. */
import { CONTROL, PACKET_HASH } from '../../packet/packet-layout.ts';
import { keyOctets4, keyOctets6, ROW, seed0, seed1 } from './setting.ts';

/** hash.ts: HalfSipHash-1-3, of a row's key. */
export function hashOne(row: i32): void {
  const octets = load<u8>(row, CONTROL * 4 + 3) === 4 ? keyOctets4 : keyOctets6;
  let v0 = seed0;
  let v1 = seed1;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
  for (let i = 0; i < octets + 12; i += 4) {
    const word: u32 = i < octets ? load<u32>(row + i) : 0;
    if (i === octets) v2 ^= 0xff;
    v3 ^= word;
    v0 += v1;
    v1 = rotl(v1, 5) ^ v0;
    v0 = rotl(v0, 16);
    v2 += v3;
    v3 = rotl(v3, 8) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 7) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 13) ^ v2;
    v2 = rotl(v2, 16);
    v0 ^= word;
  }
  store<u32>(row, v1 ^ v3, PACKET_HASH * 4);
}

/** The same, of four rows at once, whose keys are of one length. */
export function hashFour(row: i32, octets: i32): void {
  let v0 = i32x4.splat(seed0);
  let v1 = i32x4.splat(seed1);
  let v2 = v128.xor(v0, i32x4.splat(0x6c796765));
  let v3 = v128.xor(v1, i32x4.splat(0x74656462));
  let word: v128;
  for (let i = 0; i < octets; i += 4) {
    word = v128.load32_zero(row + i);
    word = v128.load_lane<u32>(row + ROW + i, word, 1);
    word = v128.load_lane<u32>(row + 2 * ROW + i, word, 2);
    word = v128.load_lane<u32>(row + 3 * ROW + i, word, 3);
    v3 = v128.xor(v3, word);
    v0 = i32x4.add(v0, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 5), i32x4.shr_u(v1, 27)), v0);
    v0 = i8x16.shuffle(v0, v0, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v2 = i32x4.add(v2, v3);
    v3 = v128.xor(i8x16.shuffle(v3, v3, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14), v2);
    v0 = i32x4.add(v0, v3);
    v3 = v128.xor(v128.or(i32x4.shl(v3, 7), i32x4.shr_u(v3, 25)), v0);
    v2 = i32x4.add(v2, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 13), i32x4.shr_u(v1, 19)), v2);
    v2 = i8x16.shuffle(v2, v2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v0 = v128.xor(v0, word);
  }
  v2 = v128.xor(v2, i32x4.splat(0xff));
  for (let i = 0; i < 3; i++) {
    v0 = i32x4.add(v0, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 5), i32x4.shr_u(v1, 27)), v0);
    v0 = i8x16.shuffle(v0, v0, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v2 = i32x4.add(v2, v3);
    v3 = v128.xor(i8x16.shuffle(v3, v3, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14), v2);
    v0 = i32x4.add(v0, v3);
    v3 = v128.xor(v128.or(i32x4.shl(v3, 7), i32x4.shr_u(v3, 25)), v0);
    v2 = i32x4.add(v2, v1);
    v1 = v128.xor(v128.or(i32x4.shl(v1, 13), i32x4.shr_u(v1, 19)), v2);
    v2 = i8x16.shuffle(v2, v2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  }
  v1 = v128.xor(v1, v3);
  store<i32>(row, i32x4.extract_lane(v1, 0), PACKET_HASH * 4);
  store<i32>(row + ROW, i32x4.extract_lane(v1, 1), PACKET_HASH * 4);
  store<i32>(row + 2 * ROW, i32x4.extract_lane(v1, 2), PACKET_HASH * 4);
  store<i32>(row + 3 * ROW, i32x4.extract_lane(v1, 3), PACKET_HASH * 4);
}
