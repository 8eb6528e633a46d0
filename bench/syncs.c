/* Preloaded, counts fsync and fdatasync and the time in them; SYNC_AT_LEAST_US makes each last that long, to
   measure on a fast disk what a slow one would do. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long count;
static long long nanoseconds;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int timed(long number, int fd) {
  static long long at_least = -1;
  if (at_least < 0) at_least = getenv("SYNC_AT_LEAST_US") ? atoll(getenv("SYNC_AT_LEAST_US")) * 1000 : 0;
  long long start = now();
  int done = syscall(number, fd), keep = errno;
  long long left = at_least - (now() - start);
  if (left > 0) nanosleep(&(struct timespec){left / 1000000000LL, left % 1000000000LL}, NULL);
  __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&nanoseconds, now() - start, __ATOMIC_RELAXED);
  errno = keep;
  return done;
}

int fsync(int fd) { return timed(SYS_fsync, fd); }
int fdatasync(int fd) { return timed(SYS_fdatasync, fd); }
long syncs_count(void) { return count; }
long long syncs_nanoseconds(void) { return nanoseconds; }
