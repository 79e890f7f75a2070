/*
 * The native part of live capture on Linux: an AF_PACKET socket with a TPACKET_V3 receive ring, mapped over a part of
 * a WebAssembly memory, so that nothing is copied on its way there. It opens, watches, counts and closes; it knows no
 * protocol, and no packet passes through it: TypeScript walks the blocks (../ring-blocks.ts). See packet(7) and
 * https://docs.kernel.org/networking/packet_mmap.html.
 *
 *   open(options, wake)  → { handle, vnetHeader, fanout }
 *   attach(handle, program)       replaces the socket filter
 *   statistics(handle, counts)    counts: Uint32Array [packets, drops, freezes] since the last call
 *   close(handle)                 idempotent; the memory reads as 0 from then on
 *
 * There is no state outside of a ring, so any number of worker threads may load it. A failed system call is thrown
 * as an Error with `code` ("EPERM") and `syscall`; the words for people are TypeScript's business.
 */
#define NAPI_VERSION 8
#include <errno.h>
#include <net/ethernet.h>
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#ifndef PACKET_IGNORE_OUTGOING /* Linux 4.20 */
#define PACKET_IGNORE_OUTGOING 23
#endif

struct ring {
  int fd; /* -1: closed */
  int owners; /* the JavaScript handle and the event loop's: the last one to leave frees */
  napi_env env;
  napi_ref wake;
  napi_ref buffer; /* the ArrayBuffer of which the ring takes these octets */
  void *memory;
  size_t octets;
  napi_async_cleanup_hook_handle cleanup;
  uv_poll_t poll;
};

/* ---- errors and arguments ---- */

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

/* A property that is absent or of another type reads as 0 or false. */
static uint32_t number(napi_env env, napi_value options, const char *name) {
  napi_value value;
  uint32_t result = 0;
  if (napi_get_named_property(env, options, name, &value) == napi_ok) napi_get_value_uint32(env, value, &result);
  return result;
}

static bool flag(napi_env env, napi_value options, const char *name) {
  napi_value value;
  bool result = false;
  if (napi_get_named_property(env, options, name, &value) == napi_ok) napi_get_value_bool(env, value, &result);
  return result;
}

static struct ring *ring_of(napi_env env, napi_callback_info info, napi_value *arguments, size_t count) {
  void *ring = NULL;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok ||
      napi_get_value_external(env, arguments[0], &ring) != napi_ok) {
    napi_throw_type_error(env, NULL, "not a ring's handle");
    return NULL;
  }
  return ring;
}

/* ---- closing ---- */

static void release(struct ring *ring) {
  if (--ring->owners == 0) free(ring);
}

static void poll_closed(uv_handle_t *handle) {
  struct ring *ring = handle->data;
  napi_remove_async_cleanup_hook(ring->cleanup);
  release(ring);
}

static void close_ring(struct ring *ring) {
  if (ring->fd == -1) return;
  napi_delete_reference(ring->env, ring->wake);
  napi_delete_reference(ring->env, ring->buffer);
  uv_poll_stop(&ring->poll);
  uv_close((uv_handle_t *)&ring->poll, poll_closed);
  close(ring->fd);
  ring->fd = -1;
}

/* The thread ends with the ring open. The mapping, which keeps the kernel's side, goes with the WebAssembly memory. */
static void environment_ends(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  close_ring(data);
}

static void handle_collected(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  release(data);
}

/* Puts memory of the process where the ring is or was mapped: there must be no hole in what V8 takes for its own. */
static bool unmap(void *memory, size_t octets) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return mmap(memory, octets, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
}

static napi_value close_(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct ring *ring = ring_of(env, info, &argument, 1);
  if (ring == NULL || ring->fd == -1) return NULL;
  close_ring(ring);
  if (!unmap(ring->memory, ring->octets)) return throw_errno(env, errno, "mmap");
  return NULL;
}

/* ---- waking ---- */

static void call_wake(struct ring *ring, int error) {
  napi_env env = ring->env;
  napi_handle_scope scope;
  napi_value wake, global, argument, exception;
  napi_open_handle_scope(env, &scope);
  napi_get_reference_value(env, ring->wake, &wake);
  napi_get_global(env, &global);
  napi_create_int32(env, error, &argument);
  if (napi_make_callback(env, NULL, global, wake, 1, &argument, NULL) == napi_pending_exception) {
    napi_get_and_clear_last_exception(env, &exception);
    napi_fatal_exception(env, exception);
  }
  napi_close_handle_scope(env, scope);
}

/* Level-triggered: called again in the loop's next turn while blocks are left to read. */
static void readable(uv_poll_t *poll, int status, int events) {
  struct ring *ring = poll->data;
  int error = 0;
  (void)events;
  if (status < 0) { /* libuv has stopped watching; reading the error (ENETDOWN, …) clears it */
    socklen_t size = sizeof error;
    if (getsockopt(ring->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error == 0) error = -status;
    uv_poll_start(poll, UV_READABLE, readable);
  }
  call_wake(ring, error);
}

/* ---- opening ---- */

/* An empty Uint8Array means no filter. The octets are struct sock_filter, in the host's order. */
static int attach_filter(napi_env env, int fd, napi_value program) {
  struct sock_fprog filter;
  size_t octets = 0;
  void *data = NULL;
  if (napi_get_typedarray_info(env, program, NULL, &octets, &data, NULL, NULL) != napi_ok) octets = 0;
  if (octets == 0) return 0;
  filter.len = (unsigned short)(octets / sizeof(struct sock_filter));
  filter.filter = data;
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

static napi_value open_(napi_env env, napi_callback_info info) {
  napi_value arguments[2], program, result, value, place, buffer;
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  const napi_value options = arguments[0];
  const char *step = "socket";
  const int on = 1, version = TPACKET_V3;
  int vnet_header = 1, fanout = (int)number(env, options, "fanout"), error;
  void *memory = NULL;
  bool is_mapped = false;
  size_t place_octets = 0;
  struct ring *ring = NULL;
  uv_loop_t *loop;

  struct tpacket_req3 request = {0};
  request.tp_block_size = number(env, options, "blockOctets");
  request.tp_block_nr = number(env, options, "blockCount");
  request.tp_frame_size = request.tp_block_size; /* version 3 packs frames of any length; it must only divide */
  request.tp_frame_nr = request.tp_block_nr;
  request.tp_retire_blk_tov = number(env, options, "blockTimeoutMilliseconds");
  const size_t octets = (size_t)request.tp_block_size * request.tp_block_nr;

  struct sockaddr_ll address = {0};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = (int)number(env, options, "interfaceIndex");

  /* Protocol 0: deaf until bound, so that nothing comes in unfiltered. */
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1) return throw_errno(env, errno, step);

  step = "setsockopt PACKET_VERSION";
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) goto failed;
  /* Before the ring, because it moves the frames in it. A kernel without it still captures. */
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) vnet_header = 0;
  step = "setsockopt PACKET_RX_RING";
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) goto failed;
  step = "mmap"; /* which refuses a place that does not begin with a page */
  napi_get_named_property(env, options, "memory", &place);
  errno = EINVAL;
  if (napi_get_typedarray_info(env, place, NULL, &place_octets, &memory, &buffer, NULL) != napi_ok ||
      place_octets != octets ||
      mmap(memory, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
    goto failed;
  is_mapped = true;
  step = "setsockopt SO_ATTACH_FILTER";
  napi_get_named_property(env, options, "filter", &program);
  if (attach_filter(env, fd, program) != 0) goto failed;
  step = "setsockopt PACKET_IGNORE_OUTGOING"; /* spares the work; that the direction is right is the filter's job */
  if (flag(env, options, "ignoreOutgoing") &&
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 && errno != ENOPROTOOPT)
    goto failed;
  step = "setsockopt PACKET_ADD_MEMBERSHIP";
  struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
  if (flag(env, options, "promiscuous") &&
      setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) != 0)
    goto failed;
  step = "bind";
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) goto failed;
  step = "setsockopt PACKET_FANOUT";
  socklen_t fanout_size = sizeof fanout;
  if (fanout != -1 && (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof fanout) != 0 ||
                      getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, &fanout_size) != 0))
    goto failed;

  step = "uv_poll_init";
  ring = calloc(1, sizeof *ring);
  if (ring == NULL) goto failed;
  napi_get_uv_event_loop(env, &loop);
  errno = -uv_poll_init(loop, &ring->poll, fd);
  if (errno != 0) goto failed;

  ring->fd = fd;
  ring->owners = 2;
  ring->env = env;
  ring->poll.data = ring;
  ring->memory = memory;
  ring->octets = octets;
  napi_create_reference(env, buffer, 1, &ring->buffer);
  napi_create_reference(env, arguments[1], 1, &ring->wake);
  napi_add_async_cleanup_hook(env, environment_ends, ring, &ring->cleanup);
  uv_poll_start(&ring->poll, UV_READABLE, readable);

  napi_create_object(env, &result);
  napi_create_external(env, ring, handle_collected, NULL, &value);
  napi_set_named_property(env, result, "handle", value);
  napi_get_boolean(env, vnet_header != 0, &value);
  napi_set_named_property(env, result, "vnetHeader", value);
  napi_create_int32(env, fanout, &value);
  napi_set_named_property(env, result, "fanout", value);
  return result;

failed:
  error = errno;
  free(ring);
  if (is_mapped) unmap(memory, octets);
  close(fd);
  return throw_errno(env, error, step);
}

/* ---- while it is open ---- */

static napi_value attach(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct ring *ring = ring_of(env, info, arguments, 2);
  if (ring != NULL && attach_filter(env, ring->fd, arguments[1]) != 0)
    throw_errno(env, errno, "setsockopt SO_ATTACH_FILTER");
  return NULL;
}

static napi_value statistics(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct tpacket_stats_v3 counts; /* the kernel begins anew at each reading */
  socklen_t size = sizeof counts;
  size_t length = 0;
  void *out = NULL;
  struct ring *ring = ring_of(env, info, arguments, 2);
  if (ring == NULL) return NULL;
  if (getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &counts, &size) != 0)
    return throw_errno(env, errno, "getsockopt PACKET_STATISTICS");
  napi_get_typedarray_info(env, arguments[1], NULL, &length, &out, NULL, NULL);
  if (length == 3) memcpy(out, &counts, sizeof counts);
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"open", NULL, open_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"attach", NULL, attach, NULL, NULL, NULL, napi_enumerable, NULL},
      {"statistics", NULL, statistics, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, close_, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
