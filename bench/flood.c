/* A flood of one request over many connections, at the rate that costs the server a share of a core.

   flood PORT CORES SECONDS FILE PID...

   FILE holds the request as it is sent; the PIDs are those of the server, whose CPU time is read twenty times a
   second: the rate is moved until what they take above what they took before the flood is CORES. Each connection
   has one request under way; they are sent evenly, a few at a time. Prints "floods" once the rate has been
   sought for SECONDS, and at SIGTERM how many answers came, how many of them were refusals (429), and how many a second. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 16, LARGEST = 1 << 16, AT_ONCE = 4 };
static const double FIRST = 2000, LEAST = 50, MOST = 200000, STEP = 0.05, QUIET = 1.0;

static volatile sig_atomic_t ended;
static char request[LARGEST], answer[LARGEST];
static size_t length;
static struct pollfd places[CONNECTIONS];
static int waits[CONNECTIONS];
static long answers, refusals;

static void end(int number) { ended = number; }

static double seconds(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t)) return 0;
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double taken(int count, char **pids) {
  double sum = 0;
  for (int at = 0; at < count; at++) {
    clockid_t clock;
    if (!clock_getcpuclockid(atoi(pids[at]), &clock)) sum += seconds(clock);
  }
  return sum;
}

static void join(int at, int port) {
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  if (places[at].fd > 0) close(places[at].fd);
  places[at].fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(places[at].fd, (struct sockaddr *)&place, sizeof place)) exit(3);
  setsockopt(places[at].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(places[at].fd, F_SETFL, O_NONBLOCK);
  places[at].events = POLLIN;
  waits[at] = 0;
}

static void hear(int port) {
  if (poll(places, CONNECTIONS, 0) <= 0) return;
  for (int at = 0; at < CONNECTIONS; at++) {
    if (!places[at].revents) continue;
    ssize_t got = recv(places[at].fd, answer, sizeof answer, 0);
    if (got > 12) {
      answers++;
      refusals += !memcmp(answer + 9, "429", 3);
      waits[at] = 0;
    } else if (got >= 0 || errno != EAGAIN) {
      join(at, port);
    }
  }
}

static int send_some(int most) {
  static int next;
  int sent = 0;
  for (int tried = 0; tried < CONNECTIONS && sent < most; tried++, next = (next + 1) % CONNECTIONS) {
    if (waits[next]) continue;
    if (send(places[next].fd, request, length, MSG_NOSIGNAL) == (ssize_t)length) sent++;
    waits[next] = 1;
  }
  return sent;
}

int main(int count, char **words) {
  if (count < 6) return 2;
  int port = atoi(words[1]);
  double cores = atof(words[2]), sought = atof(words[3]);
  FILE *file = fopen(words[4], "rb");
  if (!file || !(length = fread(request, 1, sizeof request, file))) return 2;
  signal(SIGTERM, end);
  prctl(PR_SET_TIMERSLACK, 1000);
  for (int at = 0; at < CONNECTIONS; at++) join(at, port);

  double before = taken(count - 5, words + 5), began = seconds(CLOCK_MONOTONIC);
  usleep(QUIET * 1e6);
  double own = (taken(count - 5, words + 5) - before) / (seconds(CLOCK_MONOTONIC) - began);
  double rate = FIRST, due = 0, start = seconds(CLOCK_MONOTONIC), last = start, looked = start;
  double cpu = taken(count - 5, words + 5), told = 0;
  long from = 0;
  while (!ended) {
    hear(port);
    double now = seconds(CLOCK_MONOTONIC);
    due += (now - last) * rate;
    last = now;
    if (due > AT_ONCE) due = AT_ONCE;  /* what a slow machine has missed is not made up for in a burst */
    if (due >= 1) due -= send_some((int)due);
    if (now - looked >= STEP) {
      double spent = taken(count - 5, words + 5), share = (spent - cpu) / (now - looked) - own;
      double change = share > 0.01 ? cores / share : 1.2;
      rate *= change > 1.2 ? 1.2 : change < 0.8 ? 0.8 : 1 + (change - 1) / 2;
      rate = rate < LEAST ? LEAST : rate > MOST ? MOST : rate;
      cpu = spent;
      looked = now;
    }
    if (!told && now - start >= sought) {
      puts("floods");
      fflush(stdout);
      told = now;
      from = answers;
      refusals = 0;
    }
    nanosleep(&(struct timespec){0, 50000}, NULL);
  }
  printf("%ld %ld %.0f\n", answers - from, refusals, told ? (answers - from) / (seconds(CLOCK_MONOTONIC) - told) : 0);
  return 0;
}
