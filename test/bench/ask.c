// The load generator: asks the questions of a file in turn, over one socket. nameserver.ts builds and runs it.
//
// ask HOST PORT FILE SECONDS window N    always N questions on their way: as fast as the server answers
// ask HOST PORT FILE SECONDS rate N      N questions a second whatever comes back, and how long each answer took
//
// FILE holds questions, each after its length in two octets, the higher first; the ID is ours. At the end it prints one
// line of JSON: sent, answered, and the octets of the answers; with a rate also the latency in microseconds.
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

static unsigned char in[BATCH][4160];
static long long sent_at[IDS]; /* nanoseconds; 0: not on its way */
static unsigned histogram[STEPS + 1];
static unsigned char *questions;
static long question_end, question_at;

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
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(argv[2]))};
  int is_four = inet_pton(AF_INET, argv[1], &four.sin_addr) == 1;
  if (!is_four && inet_pton(AF_INET6, argv[1], &six.sin6_addr) != 1) return 2;
  int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM, 0), room = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  if (is_four ? connect(fd, (struct sockaddr *)&four, sizeof four) : connect(fd, (struct sockaddr *)&six, sizeof six)) return 1;

  struct mmsghdr incoming[BATCH] = {0}, outgoing[BATCH] = {0};
  struct iovec in_vectors[BATCH], out_vectors[BATCH];
  for (int i = 0; i < BATCH; i++) {
    in_vectors[i] = (struct iovec){in[i], sizeof in[i]};
    incoming[i].msg_hdr = (struct msghdr){.msg_iov = &in_vectors[i], .msg_iovlen = 1};
    outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &out_vectors[i], .msg_iovlen = 1};
  }
  long sent = 0, answered = 0, octets = 0, on_way = 0, next_id = 0;
  long long start = now(), end = start + (long long)(seconds * 1e9), last = start, finish = end;
  for (;;) {
    long long time = now();
    if (time >= end && (!is_rate || on_way == 0 || time >= finish + 2000000000LL)) break;
    long wanted = is_rate ? (long)((time - start) / 1e9 * amount) - sent : amount - on_way;
    if (time >= end) wanted = 0;
    int due = wanted > BATCH ? BATCH : wanted > 0 ? wanted : 0;
    int made = 0;
    for (; made < due; made++) {
      /* An ID still on its way is passed over; with a rate it counts as unanswered for good. */
      long id = next_id;
      for (int tries = 0; tries < IDS && sent_at[id & (IDS - 1)] != 0; tries++) id++;
      id &= IDS - 1;
      next_id = id + 1;
      if (question_at + 2 > question_end) question_at = 0;
      long length = questions[question_at] << 8 | questions[question_at + 1];
      unsigned char *question = questions + question_at + 2;
      question[0] = id >> 8;
      question[1] = id;
      out_vectors[made] = (struct iovec){question, length};
      question_at += 2 + length;
      sent_at[id] = time;
    }
    for (int out = 0; out < made;) {
      int result = sendmmsg(fd, outgoing + out, made - out, 0);
      out += result > 0 ? result : 1;
    }
    sent += made;
    on_way += made;
    int count = recvmmsg(fd, incoming, BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0) {
      if (made == BATCH) continue;
      struct pollfd wait = {fd, POLLIN, 0};
      if (is_rate) {
        struct timespec little = {0, 50000};
        ppoll(&wait, 1, &little, NULL);
      } else if (poll(&wait, 1, 10) == 0 && now() - last > 200000000LL) {
        /* Lost: forget them all, and fill the window again. */
        memset(sent_at, 0, sizeof sent_at);
        on_way = 0;
        last = now();
      }
      continue;
    }
    last = now();
    for (int i = 0; i < count; i++) {
      long id = in[i][0] << 8 | in[i][1];
      if (incoming[i].msg_len < 12 || sent_at[id] == 0) continue;
      if (is_rate) {
        long step = (last - sent_at[id]) / 10000;
        histogram[step > STEPS ? STEPS : step]++;
      }
      sent_at[id] = 0;
      on_way--;
      answered++;
      octets += incoming[i].msg_len;
    }
  }
  double took = (now() - start) / 1e9;
  printf("{\"seconds\":%.6f,\"sent\":%ld,\"answered\":%ld,\"octets\":%ld", took, sent, answered, octets);
  if (is_rate)
    printf(",\"p50\":%ld,\"p99\":%ld,\"p999\":%ld,\"worst\":%ld", quantile(0.5, answered), quantile(0.99, answered), quantile(0.999, answered), quantile(1, answered));
  printf("}\n");
}
