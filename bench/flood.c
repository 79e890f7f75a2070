/*
 * flood INTERFACE DESTINATION-MAC SOURCE-IPV4 DESTINATION-IPV4 FLOWS SECONDS [CHURN|fins]: sends UDP packets of 64 octets
 * on the wire (60 without the checksum) as fast as it can, the flows in turn: source ports from 10000, and with more than
 * 50 000 flows source addresses from the one given, destination port 9. With CHURN every so many packets the oldest flow
 * ends and a new one begins. With `fins` one packet in 64 is the FIN of a TCP connection of its own instead.
 *
 * Frames are built once and written through a packet socket past the queueing discipline, 64 a system call: the
 * cheapest way out of a process without special drivers, so that forwarding and not sending is the limit.
 *
 * On a veth pair the sender's own CPU carries the packets through the router as well, as a network card's interrupt
 * would. It is pinned to the last CPU: what the kernel does per packet stays on one core, as with one receive queue.
 *
 * Prints one JSON line: sent, and refused by the device (its receiver's backlog was full).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FRAME = 60, BATCH = 64, FIRST_PORT = 10000, PORTS = 50000, DISCARD_PORT = 9 };
enum { FIN_ACK = 0x11 };

static void fail(const char *what) {
  fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put16(uint8_t *p, unsigned value) {
  p[0] = (uint8_t)(value >> 8);
  p[1] = (uint8_t)value;
}

/* IPv4's header checksum. */
static void put_checksum(uint8_t *ip) {
  unsigned sum = 0;
  put16(ip + 10, 0);
  for (int i = 0; i < 20; i += 2) sum += (unsigned)(ip[i] << 8 | ip[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  put16(ip + 10, ~sum);
}

/* Makes a frame the end of the connection number N, from a source address and port of its own for 5 million of them. */
static void make_fin(uint8_t *frame, uint32_t n) {
  uint8_t *ip = frame + 14;
  ip[9] = IPPROTO_TCP;
  ip[15] = (uint8_t)(101 + n / PORTS % 100);
  put_checksum(ip);
  put16(ip + 20, FIRST_PORT + n % PORTS);
  ip[32] = 5 << 4;
  ip[33] = FIN_ACK;
}

static void build(uint8_t *frame, const uint8_t *to, const uint8_t *from, in_addr_t source, in_addr_t destination,
                  unsigned port) {
  memcpy(frame, to, 6);
  memcpy(frame + 6, from, 6);
  put16(frame + 12, ETHERTYPE_IP);
  uint8_t *ip = frame + 14;
  ip[0] = 0x45;
  put16(ip + 2, FRAME - 14);
  put16(ip + 6, 0x4000); /* do not fragment */
  ip[8] = 64;
  ip[9] = IPPROTO_UDP;
  memcpy(ip + 12, &source, 4);
  memcpy(ip + 16, &destination, 4);
  put_checksum(ip);
  put16(ip + 20, port);
  put16(ip + 22, DISCARD_PORT);
  put16(ip + 24, FRAME - 34); /* UDP checksum 0: none */
}

static in_addr_t source_of(in_addr_t first, unsigned flow) { return htonl(ntohl(first) + flow / PORTS); }

int main(int argc, char **argv) {
  if (argc != 7 && argc != 8) {
    fprintf(stderr, "usage: flood INTERFACE DESTINATION-MAC SOURCE-IPV4 DESTINATION-IPV4 FLOWS SECONDS [CHURN|fins]\n");
    return 2;
  }
  const int fins = argc == 8 && strcmp(argv[7], "fins") == 0;
  unsigned churn = argc == 8 && !fins ? (unsigned)atoi(argv[7]) : 0, began = 0, packets_since = 0;
  struct ether_addr_text {
    unsigned octet[6];
  } mac;
  uint8_t to[6];
  if (sscanf(argv[2], "%x:%x:%x:%x:%x:%x", &mac.octet[0], &mac.octet[1], &mac.octet[2], &mac.octet[3], &mac.octet[4],
             &mac.octet[5]) != 6) {
    fprintf(stderr, "flood: no MAC address: %s\n", argv[2]);
    return 2;
  }
  for (int i = 0; i < 6; i++) to[i] = (uint8_t)mac.octet[i];
  int flows = atoi(argv[5]);
  double seconds = atof(argv[6]);

  cpu_set_t last;
  CPU_ZERO(&last);
  CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
  if (sched_setaffinity(0, sizeof last, &last) < 0) fail("sched_setaffinity");

  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("packet socket");
  struct ifreq request = {0};
  strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
  if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) fail(argv[1]);
  uint8_t from[6];
  memcpy(from, request.ifr_hwaddr.sa_data, 6);
  struct sockaddr_ll device = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[1])};
  if (bind(fd, (struct sockaddr *)&device, sizeof device) < 0) fail("bind");
  int one = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0) fail("PACKET_QDISC_BYPASS");

  int count = (flows + BATCH - 1) / BATCH * BATCH; /* whole batches */
  uint8_t *frames = calloc((size_t)count, FRAME);
  struct iovec *vectors = calloc((size_t)count, sizeof *vectors);
  struct mmsghdr *messages = calloc((size_t)count, sizeof *messages);
  if (!frames || !vectors || !messages) fail("memory");
  for (int i = 0; i < count; i++) {
    unsigned flow = (unsigned)(i % flows);
    build(frames + i * FRAME, to, from, source_of(inet_addr(argv[3]), flow), inet_addr(argv[4]),
          FIRST_PORT + flow % PORTS);
    vectors[i] = (struct iovec){frames + i * FRAME, FRAME};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }

  struct timespec unix_time; /* connections differ from one run to the next */
  clock_gettime(CLOCK_REALTIME, &unix_time);
  uint32_t connection = (uint32_t)unix_time.tv_sec * 4096;
  uint64_t sent = 0, refused = 0;
  double start = now(), end = start + seconds, time = start;
  for (int at = 0; time < end; at = at + BATCH >= count ? 0 : at + BATCH, time = now()) {
    /* The last frame of each batch is written anew: the kernel copies what it sends. */
    if (fins) make_fin(frames + (at + BATCH - 1) * FRAME, connection++);
    for (packets_since += BATCH; churn && packets_since >= churn; packets_since -= churn) {
      /* The frame that was made longest ago becomes another flow's. */
      unsigned flow = (unsigned)count + began;
      build(frames + (began++ % (unsigned)count) * FRAME, to, from, source_of(inet_addr(argv[3]), flow),
            inet_addr(argv[4]), FIRST_PORT + flow % PORTS);
    }
    for (int done = 0; done < BATCH;) {
      int n = sendmmsg(fd, messages + at + done, (unsigned)(BATCH - done), 0);
      if (n > 0) {
        sent += (uint64_t)n;
        done += n;
      } else if (errno == ENOBUFS) {
        refused++;
        done++;
      } else if (errno != EINTR) fail("sendmmsg");
    }
  }
  printf("{\"sent\":%lu,\"refused\":%lu,\"seconds\":%.6f,\"flows\":%lu}\n", sent, refused, time - start,
         (unsigned long)flows + began);
  return 0;
}
