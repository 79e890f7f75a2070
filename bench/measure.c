/*
 * measure COMMAND [ARGUMENT…]: runs a command and writes what it cost, as one JSON line, to file descriptor 3.
 *
 * A launcher of its own, because the kernel's high-water mark (ru_maxrss) survives exec: started straight from
 * Node, a small program would inherit the mark of the large process that it was forked from.
 *
 * SIGTERM and SIGINT are handed on; the command dies with the launcher.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t child;

static void hand_on(int signal_number) {
  if (child > 0) kill(child, signal_number);
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: measure COMMAND [ARGUMENT…] 3>FILE\n");
    return 2;
  }
  if (fcntl(3, F_SETFD, FD_CLOEXEC) < 0) {
    fprintf(stderr, "measure: file descriptor 3 must be open for the result\n");
    return 2;
  }
  struct sigaction action = {.sa_handler = hand_on, .sa_flags = SA_RESTART};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  double start = now();
  child = fork();
  if (child < 0) {
    perror("measure: fork");
    return 2;
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[1], argv + 1);
    fprintf(stderr, "measure: %s: %s\n", argv[1], strerror(errno));
    _exit(127);
  }

  int status;
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) {
      perror("measure: wait4");
      return 2;
    }
  }
  double wall = now() - start;
  dprintf(3,
          "{\"exitCode\":%d,\"signal\":%d,\"wallSeconds\":%.6f,\"userSeconds\":%.6f,\"systemSeconds\":%.6f,"
          "\"peakResidentOctets\":%ld}\n",
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, wall,
          seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss * 1024L);
  return 0;
}
