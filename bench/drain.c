/*
 * drain INTERFACE…: a packet ring on each interface, set up as Weir's (src/capture/native/packet_ring.c), of which each
 * frame's header and one octet are read, and nothing else is done: what forwarding loses to any program that captures so.
 * Ends with SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { BLOCK = 512 * 1024, BLOCKS = 64, RETIRE_MILLISECONDS = 20, SNAP = 256, MOST_RINGS = 8 };
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint8_t *open_ring(const char *interface, int *fd) {
  const int on = 1, version = TPACKET_V3;
  struct tpacket_req3 request = {.tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = BLOCK,
                                 .tp_frame_nr = BLOCKS, .tp_retire_blk_tov = RETIRE_MILLISECONDS};
  struct sock_filter ingress[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, SKF_AD_OFF + SKF_AD_PKTTYPE},
                                  {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
                                  {BPF_RET | BPF_K, 0, 0, 0},
                                  {BPF_RET | BPF_K, 0, 0, SNAP}};
  struct sock_fprog filter = {sizeof ingress / sizeof *ingress, ingress};
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = (int)if_nametoindex(interface)};
  *fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (*fd < 0) fail("socket");
  if (setsockopt(*fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) fail("PACKET_VERSION");
  if (setsockopt(*fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) fail("PACKET_VNET_HDR");
  if (setsockopt(*fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) fail("PACKET_RX_RING");
  uint8_t *memory = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  if (memory == MAP_FAILED) fail("mmap");
  if (setsockopt(*fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) fail("SO_ATTACH_FILTER");
  if (setsockopt(*fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) fail("PACKET_IGNORE_OUTGOING");
  if (bind(*fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  return memory;
}

int main(int count, char **interfaces) {
  struct pollfd sockets[MOST_RINGS];
  uint8_t *rings[MOST_RINGS];
  uint32_t next[MOST_RINGS] = {0};
  volatile uint32_t touched = 0;
  const int many = count - 1;
  if (many < 1 || many > MOST_RINGS) return 2;
  for (int i = 0; i < many; i++) {
    rings[i] = open_ring(interfaces[i + 1], &sockets[i].fd);
    sockets[i].events = POLLIN | POLLERR;
  }
  for (;;) {
    if (poll(sockets, (nfds_t)many, -1) < 0) fail("poll");
    for (int i = 0; i < many; i++) {
      for (;;) {
        struct tpacket_block_desc *block = (void *)(rings[i] + (size_t)next[i] * BLOCK);
        if ((__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) break;
        const uint8_t *at = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
        for (uint32_t left = block->hdr.bh1.num_pkts; left > 0; left--) {
          const struct tpacket3_hdr *frame = (const void *)at;
          touched ^= at[frame->tp_mac + ETH_HLEN];
          at += frame->tp_next_offset;
        }
        __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        next[i] = next[i] + 1 == BLOCKS ? 0 : next[i] + 1;
      }
    }
  }
}
