/*
 * receive [idle | DESTINATION_PORT [latency]]: the collector of every trial. Takes IPFIX and NetFlow v5 over UDP on a loopback
 * port that the kernel chooses, and adds up what the Flow Records say. A v5 datagram whose sequence number is not what
 * came before it is a gap.
 *
 * Prints {"port":N}, then, once standard input ends, what came: one JSON line. Loopback delivers before
 * sendto returns, so whatever an exporter sent before it exited is in the socket by then.
 *
 * The socket's buffer is as large as the kernel allows (root: 1 GB), because the trial measures exporters and
 * not this. For the same reason it runs, with `idle`, only where nobody else wants the core: two exporters on two
 * cores would have to share them with two of it. With DESTINATION_PORT only records with that
 * destinationTransportPort are counted.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, DATAGRAM = 65536 };
enum { OCTET_DELTA_COUNT = 1, PACKET_DELTA_COUNT = 2, PROTOCOL_IDENTIFIER = 4, DESTINATION_TRANSPORT_PORT = 11 };
enum { FLOW_END_REASON = 136, FLOW_START_MILLISECONDS = 152, FLOW_END_MILLISECONDS = 153 };
enum { END_OF_FLOW = 3, FORCED_END = 4, TCP = 6 };
enum { LONGEST_MILLISECONDS = 60000 };

struct span {
  uint16_t offset, size; /* size 0: the template lacks the field */
};

/** Where in a Data Record the wanted fields lie. size 0: no such template, or not one of Flow Records. */
struct template {
  uint16_t size;
  struct span octets, packets, port, reason, protocol, start, end;
};

/** How many took so many milliseconds; the last is for all that took longer. */
static uint32_t starts[LONGEST_MILLISECONDS + 1], ends[LONGEST_MILLISECONDS + 1];
static int with_latency;

static struct template templates[65536];
static uint8_t options_template[65536];
static uint64_t datagrams, records, packets, octets, options_sets, unknown_sets, malformed, reasons[256];
/** v5: the next sequence number by engine type and ID, and how often it was another. */
static uint32_t sequences[65536];
static uint64_t gaps;
static int wanted_port = -1;

static uint16_t read16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t read32(const uint8_t *p) { return (uint32_t)read16(p) << 16 | read16(p + 2); }

static uint64_t read_unsigned(const uint8_t *record, struct span at) {
  uint64_t value = 0;
  for (int i = 0; i < at.size; i++) value = value << 8 | record[at.offset + i];
  return value;
}

/** One Template Set (RFC 7011 §3.4.1). */
static void read_templates(const uint8_t *p, const uint8_t *end) {
  while (end - p >= 4) {
    uint16_t id = read16(p), count = read16(p + 2);
    p += 4;
    if (id < 256) return; /* padding */
    struct template t = {0};
    uint32_t offset = 0;
    for (int i = 0; i < count; i++) {
      if (end - p < 4) {
        malformed++;
        return;
      }
      uint16_t element = read16(p), size = read16(p + 2);
      p += 4;
      if (element & 0x8000) {
        p += 4; /* enterprise number */
        element = 0;
      }
      if (p > end) {
        malformed++;
        return;
      }
      struct span at = {(uint16_t)offset, size};
      if (element == OCTET_DELTA_COUNT) t.octets = at;
      if (element == PACKET_DELTA_COUNT) t.packets = at;
      if (element == DESTINATION_TRANSPORT_PORT) t.port = at;
      if (element == FLOW_END_REASON) t.reason = at;
      if (element == PROTOCOL_IDENTIFIER) t.protocol = at;
      if (element == FLOW_START_MILLISECONDS) t.start = at;
      if (element == FLOW_END_MILLISECONDS) t.end = at;
      offset += size;
    }
    /* No exporter here has a variable-length field in a Flow Record; one that had would show as unknown. */
    t.size = offset < 65535 && t.packets.size && t.octets.size ? (uint16_t)offset : 0;
    templates[id] = t;
  }
}

/** One Options Template Set (RFC 7011 §3.4.2.2): its templates are known, and their data not counted. */
static void read_options_templates(const uint8_t *p, const uint8_t *end) {
  while (end - p >= 6) {
    uint16_t id = read16(p), count = read16(p + 2);
    p += 6; /* the scope field count is of no interest */
    if (id < 256) return; /* padding */
    options_template[id] = 1;
    for (; count > 0 && end - p >= 4; count--) p += read16(p) & 0x8000 ? 8 : 4;
    if (count > 0 || p > end) {
      malformed++;
      return;
    }
  }
}

/** @param arrived, then: Unix time in milliseconds */
static void take_latency(uint32_t *histogram, uint64_t arrived, uint64_t then) {
  uint64_t took = arrived > then ? arrived - then : 0;
  histogram[took < LONGEST_MILLISECONDS ? took : LONGEST_MILLISECONDS]++;
}

static void print_latency(const char *name, const uint32_t *histogram) {
  uint64_t count = 0, sum = 0;
  int median = 0, p99 = 0, most = 0;
  for (int i = 0; i <= LONGEST_MILLISECONDS; i++) count += histogram[i];
  for (int i = 0; i <= LONGEST_MILLISECONDS; i++) {
    if (histogram[i] == 0) continue;
    if (sum < (count + 1) / 2) median = i;
    if (sum < (count * 99 + 99) / 100) p99 = i;
    sum += histogram[i];
    most = i;
  }
  printf(",\"%s\":{\"count\":%lu,\"median\":%d,\"p99\":%d,\"most\":%d}", name, count, median, p99, most);
}

/** Header of 24 octets, records of 48: dPkts at 16, dOctets at 20. */
static void read_netflow5(const uint8_t *p, size_t length) {
  uint16_t count = read16(p + 2), engine = read16(p + 20);
  if (count == 0 || count > 30 || length != 24 + 48u * count) {
    malformed++;
    return;
  }
  if (read32(p + 16) != sequences[engine]) gaps++;
  sequences[engine] = read32(p + 16) + count;
  records += count;
  for (p += 24; count > 0; count--, p += 48) {
    packets += read32(p + 16);
    octets += read32(p + 20);
  }
}

static void read_message(const uint8_t *p, size_t length, uint64_t arrived) {
  datagrams++;
  if (length >= 24 && read16(p) == 5) {
    read_netflow5(p, length);
    return;
  }
  if (length < 16 || read16(p) != 10 || read16(p + 2) != length) {
    malformed++;
    return;
  }
  const uint8_t *end = p + length;
  for (p += 16; end - p >= 4;) {
    uint16_t id = read16(p), size = read16(p + 2);
    if (size < 4 || size > end - p) {
      malformed++;
      return;
    }
    const uint8_t *record = p + 4;
    p += size;
    const struct template *t = &templates[id];
    if (id == 2) read_templates(record, p);
    else if (id == 3) read_options_templates(record, p);
    else if (options_template[id]) options_sets++;
    else if (t->size == 0) unknown_sets++;
    else
      for (; p - record >= t->size; record += t->size) {
        if (wanted_port >= 0 && read_unsigned(record, t->port) != (uint64_t)wanted_port) continue;
        records++;
        packets += read_unsigned(record, t->packets);
        octets += read_unsigned(record, t->octets);
        uint64_t reason = read_unsigned(record, t->reason);
        reasons[reason & 255]++;
        if (!with_latency || reason == FORCED_END) continue;
        take_latency(starts, arrived, read_unsigned(record, t->start));
        if (reason == END_OF_FLOW && read_unsigned(record, t->protocol) == TCP)
          take_latency(ends, arrived, read_unsigned(record, t->end));
      }
  }
}

/** When the kernel got a datagram, Unix time in milliseconds. */
static uint64_t arrival(struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
  }
  return 0;
}

/** Reads what the socket holds, without waiting. */
static void drain(int socket_fd) {
  static uint8_t buffers[BATCH][DATAGRAM];
  static struct iovec vectors[BATCH];
  static struct mmsghdr messages[BATCH];
  static char control[BATCH][64];
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){buffers[i], DATAGRAM};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  for (;;) {
    for (int i = 0; with_latency && i < BATCH; i++) {
      messages[i].msg_hdr.msg_control = control[i];
      messages[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int count = recvmmsg(socket_fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      perror("receive: recvmmsg");
      exit(1);
    }
    for (int i = 0; i < count; i++)
      read_message(buffers[i], messages[i].msg_len, with_latency ? arrival(&messages[i].msg_hdr) : 0);
    if (count < BATCH) return;
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "idle") == 0) {
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) < 0) {
      perror("receive: SCHED_IDLE");
      return 1;
    }
  } else if (argc > 1) wanted_port = atoi(argv[1]);
  with_latency = argc > 2 && strcmp(argv[2], "latency") == 0;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
    perror("receive");
    return 1;
  }
  int octets_wanted = 1 << 29; /* the kernel doubles it, for its own bookkeeping */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &octets_wanted, sizeof octets_wanted) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets_wanted, sizeof octets_wanted);
  int on = 1;
  if (with_latency && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) {
    perror("receive: SO_TIMESTAMPNS");
    return 1;
  }
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);

  struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  for (;;) {
    if (poll(polled, 2, -1) < 0 && errno != EINTR) {
      perror("receive: poll");
      return 1;
    }
    if (polled[0].revents) drain(fd);
    char ignored[256];
    if (polled[1].revents && read(0, ignored, sizeof ignored) <= 0) break;
  }
  drain(fd);
  printf("{\"datagrams\":%lu,\"records\":%lu,\"packets\":%lu,\"octets\":%lu,\"optionsSets\":%lu,"
         "\"unknownSets\":%lu,\"malformed\":%lu,\"gaps\":%lu,\"flowEndReasons\":{",
         datagrams, records, packets, octets, options_sets, unknown_sets, malformed, gaps);
  const char *comma = "";
  for (int i = 0; i < 256; i++)
    if (reasons[i]) {
      printf("%s\"%d\":%lu", comma, i, reasons[i]);
      comma = ",";
    }
  printf("}");
  if (with_latency) {
    print_latency("sinceStart", starts);
    print_latency("sinceEnd", ends);
  }
  printf("}\n");
  return 0;
}
