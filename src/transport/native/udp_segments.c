/*
 * What node:dgram has no word for: many datagrams of one size handed to the kernel in one call, which passes them
 * through the network stack as one and parts them at its end (UDP_SEGMENT, udp(7), Linux 4.18). node:dgram keeps the
 * socket: it connects it, reads it, waits for it and closes it.
 *
 *   open(address)                         a socket that is bound to the numeric address and a port of the kernel's
 *                                         choice → { descriptor, segments: whether the kernel knows UDP_SEGMENT }
 *   sendSegments(descriptor, datagrams, count, octets)   the first `count` of an array of Uint8Arrays, of a datagram each or of
 *                                         several, one behind the other: of so many octets, but for the very last,
 *                                         which may be smaller → 0: all of them were taken; or an errno: none was
 *
 * A failed `open` is thrown as an Error with `code` ("EADDRNOTAVAIL") and `syscall`.
 */
#define NAPI_VERSION 8
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#ifndef UDP_SEGMENT /* Linux 4.18 */
#define UDP_SEGMENT 103
#endif

/* Of the kernel, UDP_MAX_SEGMENTS: newer ones take 128. */
#define MOST_SEGMENTS 64

static napi_value throw_errno(napi_env env, int error, const char *syscall) {
  napi_value code, message, object, name;
  napi_create_string_utf8(env, uv_err_name(-error), NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, strerror(error), NAPI_AUTO_LENGTH, &message);
  napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &name);
  napi_create_error(env, code, message, &object);
  napi_set_named_property(env, object, "syscall", name);
  napi_throw(env, object);
  return NULL;
}

static napi_value open_socket(napi_env env, napi_callback_info info) {
  napi_value argument, result, value;
  size_t count = 1, length;
  char address[256];
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok ||
      napi_get_value_string_utf8(env, argument, address, sizeof address, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "open(address)");
    return NULL;
  }
  /* It knows the scope in fe80::1%eth0. */
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
  struct addrinfo *found;
  if (getaddrinfo(address, "0", &hints, &found) != 0) return throw_errno(env, EINVAL, "bind");
  int error = 0, segment_octets = 0;
  const char *syscall = "socket";
  int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1) error = errno;
  else if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
    error = errno;
    syscall = "bind";
    close(fd);
  }
  freeaddrinfo(found);
  if (error != 0) return throw_errno(env, error, syscall);

  /* An older kernel would not refuse a segment size that comes with a datagram: it would send one giant. */
  socklen_t size = sizeof segment_octets;
  bool segments = getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment_octets, &size) == 0;
  napi_create_object(env, &result);
  napi_create_int32(env, fd, &value);
  napi_set_named_property(env, result, "descriptor", value);
  napi_get_boolean(env, segments, &value);
  napi_set_named_property(env, result, "segments", value);
  return result;
}

static napi_value send_datagrams(napi_env env, napi_callback_info info) {
  napi_value arguments[4], datagram, result;
  size_t argument_count = 4, total = 0;
  int32_t fd;
  uint32_t count, octets;
  if (napi_get_cb_info(env, info, &argument_count, arguments, NULL, NULL) != napi_ok ||
      napi_get_value_int32(env, arguments[0], &fd) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &count) != napi_ok || count == 0 || count > MOST_SEGMENTS ||
      napi_get_value_uint32(env, arguments[3], &octets) != napi_ok || octets == 0 || octets > UINT16_MAX) {
    napi_throw_type_error(env, NULL, "sendSegments(descriptor, datagrams, count, octets)");
    return NULL;
  }
  struct iovec parts[MOST_SEGMENTS];
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, arguments[1], i, &datagram) != napi_ok ||
        napi_get_typedarray_info(env, datagram, NULL, &parts[i].iov_len, &parts[i].iov_base, NULL, NULL) != napi_ok) {
      napi_throw_type_error(env, NULL, "a datagram is a Uint8Array");
      return NULL;
    }
    total += parts[i].iov_len;
  }
  union {
    char octets[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr header; /* for its alignment */
  } control = {0};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
  if (total > octets) {
    message.msg_control = control.octets;
    message.msg_controllen = sizeof control.octets;
    control.header.cmsg_level = IPPROTO_UDP;
    control.header.cmsg_type = UDP_SEGMENT;
    control.header.cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const uint16_t segment_octets = (uint16_t)octets;
    memcpy(CMSG_DATA(&control.header), &segment_octets, sizeof segment_octets);
  }
  ssize_t sent;
  do sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent == -1 && errno == EINTR);
  napi_create_int32(env, sent == -1 ? errno : 0, &result);
  return result;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"open", NULL, open_socket, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sendSegments", NULL, send_datagrams, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, 2, functions);
  return exports;
}
