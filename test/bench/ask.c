// The load generator: asks the questions of a file in turn, over a socket for each server. dns-load.ts builds and runs it.
//
// ask HOST PORT[,PORT...] FILE SECONDS window N    always N questions on their way: as fast as the server answers. Of several
//                                                  servers each has its turn of 20 ms: what else the machine does meets all alike
// ask HOST PORT FILE SECONDS rate N                N questions a second whatever comes back, and how long each answer took
//
// FILE holds questions, each after its length in two octets, the higher first; the ID is ours. At the end it prints one
// line of JSON for each server: sent, answered, and the octets of the answers; with a rate also the latency in microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define IDS 65536
#define STEPS 200000 /* of the latency histogram, 10 microseconds each */
#define SERVERS 16
#define TURN 20000000LL
/* How long answers are waited for when the time is over. */
#define LATE_RATE 2000000000LL
#define LATE_WINDOW 20000000LL

struct server {
  int fd;
  /* Where in the questions it is. */
  long question_at, sent, answered, octets;
};

static unsigned char in[BATCH][4160];
static long long sent_at[IDS]; /* nanoseconds; 0: not on its way */
static unsigned histogram[STEPS + 1];
static unsigned char *questions;
static long question_end;
static struct mmsghdr incoming[BATCH], outgoing[BATCH];
static struct iovec in_vectors[BATCH], out_vectors[BATCH];

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long quantile(double part, long total) {
  long seen = 0;
  for (long i = 0; i <= STEPS; i++)
    if ((seen += histogram[i]) > 0 && seen >= part * total) return (i + 1) * 10;
  return STEPS * 10;
}

static int connected(const char *host, int port) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  int is_four = inet_pton(AF_INET, host, &four.sin_addr) == 1;
  if (!is_four && inet_pton(AF_INET6, host, &six.sin6_addr) != 1) return -1;
  int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM, 0), room = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  int failed = is_four ? connect(fd, (struct sockaddr *)&four, sizeof four) : connect(fd, (struct sockaddr *)&six, sizeof six);
  return failed ? -1 : fd;
}

/* Asks one server for `length` nanoseconds, and then waits for what is still on its way. */
static void ask(struct server *server, int is_rate, long amount, long long length) {
  static long next_id;
  long on_way = 0, asked = 0;
  long long start = now(), end = start + length, late = is_rate ? LATE_RATE : LATE_WINDOW;
  memset(sent_at, 0, sizeof sent_at);
  for (;;) {
    long long time = now();
    if (time >= end && (on_way == 0 || time >= end + late)) break;
    long wanted = is_rate ? (long)((time - start) / 1e9 * amount) - asked : amount - on_way;
    if (time >= end) wanted = 0;
    int due = wanted > BATCH ? BATCH : wanted > 0 ? wanted : 0;
    int made = 0;
    for (; made < due; made++) {
      /* An ID still on its way is passed over; with a rate it counts as unanswered for good. */
      long id = next_id;
      for (int tries = 0; tries < IDS && sent_at[id & (IDS - 1)] != 0; tries++) id++;
      id &= IDS - 1;
      next_id = id + 1;
      if (server->question_at + 2 > question_end) server->question_at = 0;
      long octets = questions[server->question_at] << 8 | questions[server->question_at + 1];
      unsigned char *question = questions + server->question_at + 2;
      question[0] = id >> 8;
      question[1] = id;
      out_vectors[made] = (struct iovec){question, octets};
      server->question_at += 2 + octets;
      sent_at[id] = time;
    }
    for (int out = 0; out < made;) {
      int result = sendmmsg(server->fd, outgoing + out, made - out, 0);
      out += result > 0 ? result : 1;
    }
    asked += made;
    on_way += made;
    int count = recvmmsg(server->fd, incoming, BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0) {
      if (made == BATCH) continue;
      struct pollfd wait = {server->fd, POLLIN, 0};
      if (is_rate) {
        struct timespec little = {0, 50000};
        ppoll(&wait, 1, &little, NULL);
      } else {
        poll(&wait, 1, 10);
      }
      continue;
    }
    long long heard = now();
    for (int i = 0; i < count; i++) {
      long id = in[i][0] << 8 | in[i][1];
      if (incoming[i].msg_len < 12 || sent_at[id] == 0) continue;
      if (is_rate) {
        long step = (heard - sent_at[id]) / 10000;
        histogram[step > STEPS ? STEPS : step]++;
      }
      sent_at[id] = 0;
      on_way--;
      server->answered++;
      server->octets += incoming[i].msg_len;
    }
  }
  server->sent += asked;
}

/* Answers that took longer than 5 ms. */
static long count_late(void) {
  long late = 0;
  for (long i = 500; i <= STEPS; i++) late += histogram[i];
  return late;
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  int is_rate = strcmp(argv[5], "rate") == 0;
  long amount = atol(argv[6]);
  double seconds = atof(argv[4]);
  FILE *file = fopen(argv[3], "rb");
  if (!file) return 2;
  fseek(file, 0, SEEK_END);
  question_end = ftell(file);
  rewind(file);
  questions = malloc(question_end);
  if (fread(questions, 1, question_end, file) != (size_t)question_end) return 2;
  struct server servers[SERVERS] = {0};
  int count = 0;
  for (char *port = strtok(argv[2], ","); port; port = strtok(NULL, ",")) {
    if (count == SERVERS || (servers[count].fd = connected(argv[1], atoi(port))) < 0) return 1;
    count++;
  }
  if (count == 0 || (is_rate && count > 1)) return 2;
  for (int i = 0; i < BATCH; i++) {
    in_vectors[i] = (struct iovec){in[i], sizeof in[i]};
    incoming[i].msg_hdr = (struct msghdr){.msg_iov = &in_vectors[i], .msg_iovlen = 1};
    outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &out_vectors[i], .msg_iovlen = 1};
  }
  long long end = now() + (long long)(seconds * 1e9), left;
  for (int turn = 0; (left = end - now()) > 0; turn++) {
    ask(&servers[turn % count], is_rate, amount, is_rate || left < TURN ? left : TURN);
  }
  for (int i = 0; i < count; i++) {
    struct server *each = &servers[i];
    printf("{\"sent\":%ld,\"answered\":%ld,\"octets\":%ld", each->sent, each->answered, each->octets);
    if (is_rate)
      printf(",\"p50\":%ld,\"p99\":%ld,\"p999\":%ld,\"worst\":%ld,\"late\":%ld", quantile(0.5, each->answered), quantile(0.99, each->answered), quantile(0.999, each->answered), quantile(1, each->answered), count_late());
    printf("}\n");
  }
}
