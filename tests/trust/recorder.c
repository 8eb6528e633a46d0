/* Preloaded into a process, writes down what it does to files under a folder: writes with their bytes, syncs,
   and changes of names, in their order. The power-cut tests replay any prefix of it.

   RECORD_ROOT    the folder, absolute
   RECORD_LOG     where the record goes
   RECORD_SPACE   bytes that may be written before the disk is "full"; absent: no limit
   A record is: 1 byte kind, u32 path length, u32 second path length, u64 offset, u64 data length, then those. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>


static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static long long space = -2;

static int under_root(const char *path) {
  const char *root = getenv("RECORD_ROOT");
  size_t n = root ? strlen(root) : 0;
  size_t m = strlen(path);
  if (!n || strncmp(path, root, n) || path[n] != '/') return 0;
  return !(m > 4 && !strcmp(path + m - 4, "-shm"));
}

static int named(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, PATH_MAX - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return under_root(path);
}

static void put(char kind, const char *path, const char *other, uint64_t offset, const void *data, uint64_t n) {
  uint32_t a = strlen(path), b = other ? strlen(other) : 0;
  if (out < 0) out = syscall(SYS_open, getenv("RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  char head[25];
  head[0] = kind;
  memcpy(head + 1, &a, 4);
  memcpy(head + 5, &b, 4);
  memcpy(head + 9, &offset, 8);
  memcpy(head + 17, &n, 8);
  syscall(SYS_write, out, head, sizeof head);
  syscall(SYS_write, out, path, a);
  if (b) syscall(SYS_write, out, other, b);
  for (uint64_t done = 0; done < n;) {
    long k = syscall(SYS_write, out, (const char *)data + done, n - done);
    if (k <= 0) abort();
    done += k;
  }
}

static int full(size_t n) {
  if (space == -2) space = getenv("RECORD_SPACE") ? atoll(getenv("RECORD_SPACE")) : -1;
  if (space == -1) return 0;
  if ((long long)n > space) return 1;
  space -= n;
  return 0;
}

static ssize_t recorded(int fd, const void *data, size_t n, off64_t at, int positioned) {
  char path[PATH_MAX];
  pthread_mutex_lock(&lock);
  int ours = named(fd, path);
  ssize_t done;
  if (ours && full(n)) {
    errno = ENOSPC;
    done = -1;
  } else {
    if (ours && !positioned) at = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek64(fd, 0, SEEK_END) : lseek64(fd, 0, SEEK_CUR);
    done = positioned ? syscall(SYS_pwrite64, fd, data, n, at) : syscall(SYS_write, fd, data, n);
    if (ours && done > 0) put('w', path, NULL, at, data, done);
  }
  int keep = errno;
  pthread_mutex_unlock(&lock);
  errno = keep;
  return done;
}

ssize_t write(int fd, const void *data, size_t n) { return recorded(fd, data, n, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return recorded(fd, data, n, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { return recorded(fd, data, n, at, 1); }

static int of_fd(char kind, int fd, uint64_t size, long number) {
  char path[PATH_MAX];
  pthread_mutex_lock(&lock);
  int done = kind == 't' ? syscall(number, fd, size) : syscall(number, fd);
  int keep = errno;
  if (!done && named(fd, path)) put(kind, path, NULL, size, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = keep;
  return done;
}

int fsync(int fd) { return of_fd('s', fd, 0, SYS_fsync); }
int fdatasync(int fd) { return of_fd('s', fd, 0, SYS_fdatasync); }
int ftruncate(int fd, off_t size) { return of_fd('t', fd, size, SYS_ftruncate); }
int ftruncate64(int fd, off64_t size) { return of_fd('t', fd, size, SYS_ftruncate); }

static int opened(int dir, const char *path, int flags, mode_t mode) {
  char name[PATH_MAX];
  pthread_mutex_lock(&lock);
  int is_new = (flags & O_CREAT) && syscall(SYS_faccessat, dir, path, F_OK) < 0;
  int fd = syscall(SYS_openat, dir, path, flags, mode);
  int keep = errno;
  if (fd >= 0 && (is_new || flags & O_TRUNC) && named(fd, name)) {
    put(is_new ? 'c' : 't', name, NULL, 0, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = keep;
  return fd;
}

#define MODE                                                                                                   \
  mode_t mode = 0;                                                                                             \
  if (flags & (O_CREAT | __O_TMPFILE)) {                                                                       \
    va_list rest;                                                                                              \
    va_start(rest, flags);                                                                                     \
    mode = va_arg(rest, mode_t);                                                                               \
    va_end(rest);                                                                                              \
  }

int open(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE return opened(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE return opened(dir, path, flags, mode); }

static int of_names(char kind, const char *path, const char *other, long a, long b, long c, long number) {
  pthread_mutex_lock(&lock);
  int done = syscall(number, a, b, c);
  int keep = errno;
  if (!done && under_root(path)) put(kind, path, other, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = keep;
  return done;
}

int rename(const char *from, const char *to) { return of_names('r', from, to, (long)from, (long)to, 0, SYS_rename); }
int link(const char *from, const char *to) { return of_names('l', from, to, (long)from, (long)to, 0, SYS_link); }
int unlink(const char *path) { return of_names('u', path, NULL, (long)path, 0, 0, SYS_unlink); }
int mkdir(const char *path, mode_t mode) { return of_names('d', path, NULL, (long)path, mode, 0, SYS_mkdir); }
