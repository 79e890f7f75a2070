/*
 * What the programs that this process starts get of its capabilities (capabilities(7)).
 *
 *   inherit(mask, bound)    bit n of the mask (0 … 31) lets children inherit capability n, if this process has it;
 *                           all others they lose. With bound the bounding set shrinks to the mask as well, which is
 *                           what keeps the capabilities of root from its children. It takes CAP_SETPCAP.
 *                           → true; false: the bounding set could not be changed
 *
 * The process keeps its own permitted and effective capabilities. All of this belongs to a thread: what matters is
 * the one that starts programs, and threads that it makes later begin with the same. Nothing gives back what the
 * bounding set has lost.
 */
#define NAPI_VERSION 8
#include <errno.h>
#include <linux/capability.h>
#include <node_api.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static napi_value throw_errno(napi_env env, const char *syscall) {
  napi_throw_error(env, syscall, strerror(errno));
  return NULL;
}

static napi_value inherit(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  size_t count = 2;
  uint32_t mask = 0;
  bool bound = false, bounded = true;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok ||
      napi_get_value_uint32(env, arguments[0], &mask) != napi_ok ||
      napi_get_value_bool(env, arguments[1], &bound) != napi_ok) {
    napi_throw_type_error(env, NULL, "inherit(mask, bound)");
    return NULL;
  }

  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets) != 0) return throw_errno(env, "capget");
  /* What leaves the inheritable set leaves the ambient one by itself. */
  sets[0].inheritable = sets[0].permitted & mask;
  sets[1].inheritable = 0;
  if (syscall(SYS_capset, &header, sets) != 0) return throw_errno(env, "capset");
  for (unsigned long n = 0; n < 32; n++) {
    if ((sets[0].inheritable >> n & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) != 0)
      return throw_errno(env, "prctl PR_CAP_AMBIENT");
  }
  /* From the first to the first that the kernel does not know. */
  for (unsigned long n = 0; bound && prctl(PR_CAPBSET_READ, n) != -1; n++) {
    if ((n >= 32 || (mask >> n & 1) == 0) && prctl(PR_CAPBSET_DROP, n) != 0) bounded = false;
  }
  napi_get_boolean(env, bounded, &result);
  return result;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {{"inherit", NULL, inherit, NULL, NULL, NULL, napi_enumerable, NULL}};
  napi_define_properties(env, exports, 1, functions);
  return exports;
}
